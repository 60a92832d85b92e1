import dataclasses

import pytest

from stylekit import InputError
from stylekit.app.limits import Limits


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_every_limit_is_checked(name):
    with pytest.raises(InputError, match=name):
        Limits(**{name: 0})
