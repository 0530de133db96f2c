"""Package metadata; the build system and the tools' settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "([^"]+)"', (ROOT / "src/smoothkit/__init__.py").read_text("utf-8"), re.M
).group(1)

setup(
    name="smoothkit",
    version=VERSION,
    description="Image smoothing, matting and super-resolution research systems in one pipeline",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages("src"),
    package_dir={"": "src"},
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.6",
        "torchvision>=0.21",
        "numpy",
        "pyyaml",
        "opencv-python",
        "pillow",
        "lmdb",
        "lpips",
        "scipy",
        "scikit-image",
        "tqdm",
        # tb-nightly, which BasicSR brings, needs pkg_resources: gone from setuptools 81 on.
        "setuptools<81",
        # BasicSR's own setup fails from Python 3.13 on; scripts/install_basicsr.sh builds it there.
        'basicsr==1.4.2; python_version < "3.13"',
        # The two TensorBoards overwrite each other's files, so only one of them is ever asked for.
        'tensorboard>=2.21; python_version >= "3.13"',
    ],
    extras_require={
        "metrics": ["piq"],
        "matting": ["pymatting"],
        "annotate": ["starlette", "uvicorn"],
        "dev": [
            "pytest",
            "pytest-xdist",
            "hypothesis",
            "ruff",
            "mypy",
            "safetensors",
            "types-PyYAML",
        ],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
