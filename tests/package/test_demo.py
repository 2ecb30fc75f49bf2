"""`python -m fhl_ppl` shows chains that find both modes, in a terminal and as a GIF."""

import numpy as np
import pytest

from fhl_ppl import __main__ as demo
from tests.conftest import importorskip


def test_the_gradient_is_that_of_the_energy():
    q = np.array([[0.3, -0.8], [-3.0, 2.0]])
    _, gradient = demo.potential_and_gradient(q)
    for k in range(2):
        shift = 1e-6 * np.eye(2)[k]
        up, down = (demo.potential_and_gradient(q + sign * shift)[0] for sign in (1, -1))
        np.testing.assert_allclose(gradient[:, k], (up - down) / 2e-6, rtol=1e-6)


def test_the_share_is_about_right_after_some_hundred_draws():
    # Over seeds 0 to 9 the shares were .67 to .71.
    run = demo.follow_leaders(0, 300)
    assert np.isnan(run[demo.NUM_WARMUP - 1].share)
    assert abs(run[-1].share - demo.WEIGHTS[1]) < 0.1
    assert all(frame.leads.reshape(2, 4).sum(axis=1).tolist() == [1, 1] for frame in run)


def test_the_caption_tells_the_share_and_what_is_right():
    frame = demo.Frame(150, np.zeros((8, 2)), np.zeros(8, bool), 0.6912)
    assert demo.caption("FHL", frame) == "FHL, draw 51: 69% right (70%)"
    assert demo.caption("FHL", frame._replace(share=np.nan)) == "FHL, warm-up 151"


def test_text_has_all_chains_and_two_leaders(capsys):
    demo.main(["--smoke", "--no-nuts"])
    out = capsys.readouterr().out
    last = out[out.rindex("FHL, draw") :]
    assert last.count("*") in {1, 2}
    assert "right (70%)" in last


def test_a_gif_is_written(tmp_path, capsys):
    importorskip("matplotlib")
    path = tmp_path / "new" / "out.gif"
    demo.main(["--smoke", "--no-nuts", "--gif", str(path)])
    assert path.read_bytes().startswith(b"GIF89a")
    assert str(path) in capsys.readouterr().out


def test_what_is_wrong_on_the_command_line_is_told(capsys):
    with pytest.raises(SystemExit):
        demo.main(["--gif"])
    assert "expected one argument" in capsys.readouterr().err
