"""Looking classes up by name."""

from __future__ import annotations

import pytest

from smoothkit.archs import build_network
from smoothkit.core.basicsr_compat import is_installed
from smoothkit.core.errors import OptionError
from smoothkit.core.registry import ARCH_REGISTRY, Registry


def test_an_alias_builds_the_same_class_and_changes_no_options():
    section = {"type": "HDC_edge_refine", "in_c": 3, "out_c": 3, "dim": 4, "num_block": 1}
    before = dict(section)
    assert type(build_network(section)).__name__ == "JESSNet"
    assert section == before


def test_a_name_is_registered_once():
    registry = Registry("thing", "smoothkit.archs", "arch", "ARCH_REGISTRY")
    registry.register(type("Thing", (), {}), aliases=("old_thing",))
    with pytest.raises(KeyError, match="registered twice"):
        registry.register(type("old_thing", (), {}))


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(KeyError, match="Did you mean 'JESSNet'"):
        ARCH_REGISTRY.get("JESNet")


@pytest.mark.parametrize("spec", [{"type": "JESSNet", "dims": 3}, {"dim": 3}, 3])
def test_building_from_a_wrong_section_is_an_option_error(spec):
    with pytest.raises(OptionError, match="network_g"):
        build_network(spec)


@pytest.mark.skipif(not is_installed(), reason="BasicSR is not installed here")
def test_basicsr_is_asked_only_for_what_is_not_ours(run_python):
    code = (
        "import sys; from smoothkit.core.registry import ARCH_REGISTRY as r; r.get('JESSNet');"
        "print('basicsr' in sys.modules); r.get('RRDBNet'); print('basicsr' in sys.modules)"
    )
    assert run_python("-c", code).stdout.split() == ["False", "True"]


def test_without_basicsr_ours_work_and_theirs_say_how_to_get_them(run_python):
    code = (
        "from smoothkit.core import basicsr_compat as c; c.is_installed = lambda: False\n"
        "from smoothkit.archs import build_network\n"
        "build_network({'type': 'JESSNet', 'dim': 4, 'num_block': 1})\n"
        "try: build_network({'type': 'RRDBNet'})\n"
        "except Exception as error: print(error)"
    )
    printed = run_python("-c", code).stdout
    assert "no network is called 'RRDBNet'" in printed
    assert "scripts/install_basicsr.sh" in printed


def test_threads_that_look_names_up_at_once_all_find_them(run_python):
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from smoothkit.core.registry import METRIC_REGISTRY\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    found = list(pool.map(METRIC_REGISTRY.get, ['psnr', 'ssim', 'lpips', 'dists'] * 4))\n"
        "assert len(set(found)) == 4\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


def test_a_class_of_ones_own_is_not_taken_for_a_misspelt_one():
    with pytest.raises(KeyError) as caught:
        ARCH_REGISTRY.get("MyNet")
    assert "Did you mean" not in caught.value.args[0]
    assert "SMOOTHKIT_SYSTEMS" in caught.value.args[0]


def test_a_published_name_that_nobody_has_points_to_what_stands_for_it():
    with pytest.raises(KeyError, match=r"'HDC_att'\. The published HDC_att.*'ECASmoothingNet'"):
        ARCH_REGISTRY.get("HDC_att")
