"""The command ``check``: what it prints and writes, and what it refuses."""

import json

pytest_plugins = ["commands"]


def test_figures_and_words(command, work, tmp_path) -> None:
    given = (work / "movie.tif", "--camera", work / "movie_camera.toml", "-m", work / "a model")
    output = tmp_path / "check.json"
    answer = command("check", *given, "-o", output, "--json").answer
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written == {name: answer[name] for name in written}
    assert written["provenance"]["step"] == "check"
    assert list(answer["routes"]) == ["noisy", "denoised_fit_raw", "denoised_fit_denoised"]
    assert set(answer["predictions"]) == {"noisy", "gaussian", "denoised"}
    assert answer["denoised_by"] == "the model given"
    assert command("check", *given, "-o", output).refuses("exists")


def test_words_alone(command, work) -> None:
    outcome = command("check", work / "movie.tif", "--camera", work / "movie_camera.toml", "--threshold", 0.6)
    noisy, pictures = outcome.out.splitlines()
    assert noisy.startswith("noisy: Of the ")
    assert "molecules at threshold 0.6" in noisy
    assert pictures.startswith("pictures: ")


def test_bad_input(command, work) -> None:
    movie = (work / "movie.tif", "--camera", work / "movie_camera.toml")
    assert command("check", *movie, "--tolerance-nm", 0).refuses("above 0 nm")
    assert command("check", *movie, "--minutes", -1).refuses("above 0")
    assert command("check", *movie, "-m", work / "no model").refuses("no model")
    denoised = command("check", work / "denoised.tif", *movie[1:])
    assert denoised.refuses("denoised movie")
