from .listing import Job as Job
from .listing import jobs as jobs
from .runner import Batch as Batch
from .runner import run as run
from .work import Row as Row
from .work import Work as Work
from .work import finished as finished
from .work import paint as paint
