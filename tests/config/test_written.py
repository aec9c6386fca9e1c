from pathlib import Path

from dragoman.config.document import Document
from dragoman.config.kinds import Whole
from dragoman.config.setting import Setting
from dragoman.config.written import Level, Place, Written, written

FILE = Path("/shop/dragoman.toml")
KNOWN = (Setting("retry.attempts", Whole(1, 9), "3", "", short=True),)


def test_a_setting_knows_its_file_its_line_its_table_and_its_key() -> None:
    text = '[defaults]\nretry = 2\n[functions."stats.mean".retry]\nattempts = 3'
    document = Document.parse(FILE, text.encode())
    default = written(document, document.read(("defaults",), KNOWN))["retry.attempts"]
    own = written(document, document.read(("functions", "stats.mean"), KNOWN))["retry.attempts"]
    assert default == Written(2, Level.DEFAULTS, Place(str(FILE), 2, "defaults", "retry"))
    assert (own.level, own.place) == (
        Level.FUNCTION,
        Place(str(FILE), 4, 'functions."stats.mean"', "retry.attempts"),
    )
    assert own.place.name == 'functions."stats.mean".retry.attempts'
    assert str(default.place) == "/shop/dragoman.toml:2 [defaults]"


def test_two_that_say_the_same_are_equal_wherever_they_stand() -> None:
    place = Place("a", 1, "defaults", "retry")
    assert Written(2, Level.DEFAULTS, place) == Written(2, Level.SOURCE, place._replace(line=9))
    assert Written(2, Level.DEFAULTS, place) != Written(3, Level.DEFAULTS, place)
