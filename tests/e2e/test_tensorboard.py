"""TensorBoard shows a run: scalars, pictures, and a server that starts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request

from smoothkit.train import main as train_main


def test_losses_rates_metrics_and_pictures_are_there(tiny):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train_main(["-opt", str(tiny(logger={"use_tb_logger": True}))]) == 0
    events = EventAccumulator("tb_logger/tiny").Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"lr", "losses/l_pixel", "losses/l_total", "metrics/held_out/psnr"} <= scalars
    assert [event.step for event in events.Scalars("losses/l_pixel")] == list(range(1, 9))
    pictures = events.Tags()["images"]
    assert pictures == ["held_out/item_0", "held_out/item_1", "held_out/item_2"]
    shown = events.Images(pictures[0])[0]
    assert shown.width == 4 * 12 + 3 * 4  # input, output, ground truth, error


def test_the_server_starts(tiny):
    assert train_main(["-opt", str(tiny(logger={"use_tb_logger": True}))]) == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", "tb_logger", "--port", str(port),
         "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/data/runs"
        answer = ""
        for _ in range(300):
            assert server.poll() is None, server.stderr.read()
            try:
                with urllib.request.urlopen(url, timeout=5) as response:
                    answer = response.read().decode()
                break
            except OSError:
                time.sleep(0.1)
        assert "tiny" in answer
    finally:
        server.kill()
        server.communicate()
