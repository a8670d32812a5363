# SPDX-License-Identifier: MIT OR Apache-2.0
import numpy as np
import torch

from models.features import model as m


def front() -> torch.nn.Module:
    """The stage with an encoder of random weights."""
    torch.manual_seed(0)
    ear = m.Ear()
    for v in ear.buffers():
        v.normal_(0, 0.05)
    ear.bank.abs_()
    return m.Features(ear).eval()


def plain(pcm: np.ndarray) -> np.ndarray:
    """Straight numpy version of the log-mel columns."""
    w = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(m.WIN) / m.WIN)
    out = []
    for i in range(m.ROWS):
        p = np.abs(np.fft.rfft(pcm[i * m.HOP : i * m.HOP + m.WIN] * w, m.FFT)) ** 2
        out.append(np.log(p @ m.filterbank().astype(np.float64) + m.FLOOR))
    return np.array(out)


def test_log_mel_equals_numpy_and_the_script_the_module():
    pcm = np.random.default_rng(0).normal(0, 0.1, m.WINDOW).astype(np.float32)
    net = front()
    with torch.no_grad():
        y = torch.jit.script(net)(torch.from_numpy(pcm)).numpy()
        assert np.abs(y - net(torch.from_numpy(pcm)).numpy()).max() < 1e-4
    assert y.shape == (4, m.COLUMNS) and np.abs(y[:, :80] - plain(pcm[-m.MEL_WINDOW :])).max() < 1e-3


def test_recording_equals_frame_by_frame():
    wave = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    net = front()
    padded = np.pad(wave, (m.WINDOW, m.LOOK_AHEAD + m.WINDOW))
    whole, mel, tokens = m.stream(net, wave).numpy(), m.rows(wave), m.tokens(net.ear, wave)
    assert len(whole) == len(mel) == len(tokens) == 25
    for n in (0, 3, 24):
        end = m.WINDOW + (n + 1) * 640 + m.LOOK_AHEAD
        with torch.no_grad():
            one = net(torch.from_numpy(padded[end - m.WINDOW : end])).numpy()
        assert np.abs(one - whole[n]).max() < 1e-4
        assert np.abs(mel[n] - whole[n, :, :80]).max() < 1e-4
        assert np.abs(tokens[n].reshape(4, -1) - whole[n, :, 80:]).max() < 1e-3


def test_only_the_tokens_that_are_put_out_are_computed_in_the_last_layer():
    """The last layer's shortcut changes nothing but the time."""
    torch.manual_seed(1)
    x, part = torch.randn(2, 32, m.WIDTH), m.Layer(m.FIRST, m.FIRST + m.TOKENS)
    every = m.Layer(0, 32)
    every.load_state_dict(part.state_dict())
    with torch.no_grad():
        assert torch.allclose(part(x), every(x)[:, m.FIRST : m.FIRST + m.TOKENS], atol=1e-5)
