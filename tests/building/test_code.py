from pathlib import Path

from dragoman.building.code import Code


def test_the_root_of_a_file_is_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.go").touch()
    assert Code("a", "go", tmp_path / "a.go", tmp_path).root == tmp_path
    assert Code("a", "go", tmp_path, tmp_path).root == tmp_path
