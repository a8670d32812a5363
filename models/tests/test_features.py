import numpy as np
import torch
from paths import sibling

m = sibling("features", "model")


def plain(pcm: np.ndarray) -> np.ndarray:
    """Straight numpy version."""
    w = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(m.WIN) / m.WIN)
    out = []
    for i in range(m.ROWS):
        p = np.abs(np.fft.rfft(pcm[i * m.HOP : i * m.HOP + m.WIN] * w, m.FFT)) ** 2
        out.append(np.log(p @ m.filterbank().astype(np.float64) + m.FLOOR))
    return np.array(out)


def test_script_equals_numpy():
    pcm = np.random.default_rng(0).normal(0, 0.1, m.WINDOW).astype(np.float32)
    y = torch.jit.script(m.Features().eval())(torch.from_numpy(pcm)).numpy()
    assert y.shape == (4, 80) and np.abs(y - plain(pcm)).max() < 1e-3


def test_recording_equals_frame_by_frame():
    wave = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    whole, net = m.rows(wave), m.Features()
    stream = np.pad(wave, (m.WINDOW, m.LOOK_AHEAD + m.WINDOW))
    for n in (0, 3, 24):
        end = m.WINDOW + (n + 1) * 640 + m.LOOK_AHEAD
        assert np.abs(net(torch.from_numpy(stream[end - m.WINDOW : end])).numpy() - whole[n]).max() < 1e-4
