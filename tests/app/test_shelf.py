from stylekit.app.shelf import Shelf


def test_what_is_put_is_found_by_its_name_alone():
    shelf = Shelf(each=2)
    name = shelf.put("photo", b"content", "image/png")
    assert len(name) > 20
    file = shelf.get(name)
    assert (file.content, file.kind) == (b"content", "image/png")
    assert shelf.get("other") is None
    assert shelf.take(name) is file
    assert shelf.get(name) is shelf.take(name) is None


def test_each_keeps_the_newest():
    shelf = Shelf(each=2)
    other = shelf.put("other", b"", "")
    names = [shelf.put("photo", b"", "") for _ in range(4)]
    assert [shelf.get(name) is None for name in names] == [True, True, False, False]
    assert shelf.get(other)


def test_all_together_are_bounded():
    shelf = Shelf(each=2, most=3)
    names = [shelf.put(number, b"", "") for number in range(5)]
    assert [shelf.get(name) is None for name in names] == [True, True, False, False, False]
