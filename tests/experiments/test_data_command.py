"""`worldmodel data`: what it shows, and episodes out to .npz and in again, to the bit."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.cli import main
from experiments.histogram import WIDTH, histogram
from worldmodel.data_folder import DataFolder, is_test, open_folder
from worldmodel.replay import Replay

from .test_train_command import fail_at


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "planar"
    assert main(["collect", "planar", "--episodes", "7", "--test-share", "0.3", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def exported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npz") / "planar"
    assert main(["data", "export", str(data), "--out", str(folder)]) == 0
    return folder


def test_what_is_stored_is_shown_in_eighty_columns(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", str(data), "--thumbnails", str(tmp_path / "sheet.png")]) == 0
    out = capsys.readouterr().out
    returns = open_folder(data).train.returns("train")
    assert "images of 32×32×3, 2 action and 2 state dimensions" in out
    assert f"{returns.mean():.4g}" in out
    assert all(len(line) <= 80 for line in out.splitlines()[1:-1])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 4 * 64


def test_a_run_is_shown_too(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", str(run_copy)]) == 0
    assert "1 action and 2 state dimensions" in capsys.readouterr().out
    assert (run_copy / "thumbnails.webp").exists()


def test_a_histogram_counts_every_value() -> None:
    lines = histogram(np.array([0.0, 0, 0, 0, 5, 10]), bins=2)
    assert [int(line.split()[-1]) for line in lines] == [4, 2]
    assert lines[0].count("█") == WIDTH
    assert lines[1].count("█") == WIDTH // 2
    assert histogram(np.array([2.0, 2.0])) == [f"{2:>10}               {'█' * WIDTH} 2"]


def test_out_and_in_again_is_the_same_data(data: Path, exported: Path, tmp_path: Path) -> None:
    assert len(list((exported / "train").glob("*.npz"))) == 4
    assert len(list((exported / "test").glob("*.npz"))) == 3
    assert main(["data", "import", str(exported), "--out", str(tmp_path / "data"), "--env", "planar"]) == 0
    again = open_folder(tmp_path / "data")
    assert again.fingerprint == open_folder(data).fingerprint
    assert again.about.env == "planar"


def test_a_plain_folder_is_split(exported: Path, tmp_path: Path) -> None:
    plain = ["data", "import", str(exported / "train"), "--out", str(tmp_path / "data"), "--test-share", "0.25"]
    assert main(plain) == 0
    data = open_folder(tmp_path / "data")
    assert (data.train.count("train"), data.test.count("train"), data.about.env) == (3, 1, None)


def test_imported_data_is_learned_from(exported: Path, tmp_path: Path) -> None:
    assert main(["data", "import", str(exported), "--out", str(tmp_path / "data")]) == 0
    train = ["train", "tiny", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--rounds", "1"]
    assert main(train) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["env"] == "none"


def test_a_runs_episodes_are_imported_split_and_learned_from(tiny_run: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "data", tmp_path / "again"
    assert main(["data", "import", str(tiny_run), "--out", str(out), "--test-share", "0.25"]) == 0
    data, collected = open_folder(out), list(Replay.open(tiny_run / "replay").episodes("train"))
    assert (data.about.env, data.about.episodes) == ("pendulum", len(collected))
    kept = {"train": list(data.train.episodes("train")), "test": list(data.test.episodes("train"))}
    for number, episode in enumerate(collected):
        mine = kept["test" if is_test(number, 0.25) else "train"].pop(0)
        for field, other in zip(mine, episode, strict=True):
            np.testing.assert_array_equal(field, other)
    assert kept == {"train": [], "test": []}
    assert main(["train", "tiny", "--data", str(out), "--out", str(again)]) == 0
    assert main(["data", "import", str(again), "--out", str(tmp_path / "none")]) == 2


def test_a_stopped_import_of_a_run_goes_on(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = (["data", "import", str(tiny_run), "--out", str(tmp_path / name)] for name in ("a", "b"))
    assert main(whole) == 0
    with monkeypatch.context() as patched:
        fail_at(patched, DataFolder, "add", 2, KeyboardInterrupt())
        assert main(stopped) == 130
    assert open_folder(tmp_path / "b").episodes == 2
    assert main([*stopped, "--resume"]) == 0
    assert open_folder(tmp_path / "b").fingerprint == open_folder(tmp_path / "a").fingerprint


def test_a_faulty_file_is_named_and_the_rest_goes_on_when_it_is_mended(
    data: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "npz"
    folder.mkdir()
    for path in (exported / "train").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    faulty = sorted(folder.iterdir())[2]
    whole = faulty.read_bytes()
    with np.load(faulty) as stored:
        fields = dict(stored)
    fields["reward"][5] = np.nan
    np.savez(faulty, **fields)
    command = ["data", "import", str(folder), "--out", str(tmp_path / "data"), "--test-share", "0"]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert f"{faulty.name}: Episode.reward must be finite; row 5" in err
    assert "The 2 files before it are stored" in err
    faulty.write_bytes(whole)
    assert main(command) == 2  # not without being told to
    assert main([*command, "--resume"]) == 0
    train = list(open_folder(data).train.episodes("train"))
    for mine, theirs in zip(open_folder(tmp_path / "data").train.episodes("train"), train, strict=True):
        for field, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(field, other)


def test_files_of_other_shapes_are_not_mixed(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, size in enumerate((32, 16)):
        one = sorted((exported / "train").iterdir())[number]
        with np.load(one) as stored:
            np.savez(tmp_path / one.name, **dict(stored) | {"image": stored["image"][:, :size, :size]})
    assert main(["data", "import", str(tmp_path), "--out", str(tmp_path / "data")]) == 2
    assert "All episodes must have the same shapes" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


WRONG = {
    "import nothing": (["data", "import", "{empty}", "--out", "{out}"], "There must be .npz files"),
    "import as what it is not": (
        ["data", "import", "{npz}", "--out", "{out}", "--env", "pendulum"],
        "must have 1 action",
    ),
    "import a run as another": (["data", "import", "{run}", "--out", "{out}", "--env", "planar"], "are for files"),
    "import all of a run to test on": (
        ["data", "import", "{run}", "--out", "{out}", "--test-share", "0.99"],
        "At least one episode must be left to train on",
    ),
    "export nothing": (["data", "export", "{empty}", "--out", "{out}"], "worldmodel data import"),
    "export over something": (["data", "export", "{data}", "--out", "{npz}"], "holds something"),
    "a picture of a kind that is none": (["data", "{data}", "--thumbnails", "{out}.txt"], ".png or .webp"),
    "no folder": (["data"], "worldmodel data DATA|RUN"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_is_said(
    wrong: str, data: Path, exported: Path, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv, words = WRONG[wrong]
    (tmp_path / "empty").mkdir()
    places = {"data": data, "npz": exported, "run": tiny_run, "empty": tmp_path / "empty", "out": tmp_path / "out"}
    assert main([word.format(**places) for word in argv]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
