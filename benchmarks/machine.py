"""Which CPU this is, for tables and pictures: times are of one kind of machine."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

# What is called by nothing but "Intel(R) Xeon(R) Processor" in a virtual machine: family and models.
KINDS = {
    ("GenuineIntel", 6): {
        (79,): "Broadwell", (85,): "Skylake-X or Cascade Lake", (106, 108): "Ice Lake", (143,): "Sapphire Rapids",
        (207,): "Emerald Rapids", (173, 174): "Granite Rapids",
    },
    ("AuthenticAMD", 23): {(1,): "Zen", (49,): "Zen 2"},
    ("AuthenticAMD", 25): {(1,): "Zen 3", (17, 24, 97, 160): "Zen 4"},
    ("AuthenticAMD", 26): {(2, 17, 36, 68): "Zen 5"},
    # ARM's implementer and part.
    ("0x41", 0xD0C): {(0,): "Neoverse N1"}, ("0x41", 0xD40): {(0,): "Neoverse V1"},
    ("0x41", 0xD4F): {(0,): "Neoverse V2"},
}  # fmt: skip


def kind_of(text: str) -> str:
    """Return the kind of CPU that /proc/cpuinfo describes: its name, and what the name leaves open."""
    found = dict(re.findall(r"^([^\t\n]+?)\s*: (.*)$", text, re.M))
    if "CPU part" in found:
        key, model = (found.get("CPU implementer", ""), int(found["CPU part"], 16)), 0
        numbers = f"implementer {key[0]}, part {found['CPU part']}"
    else:
        key, model = (found.get("vendor_id", ""), int(found.get("cpu family", 0))), int(found.get("model", 0))
        numbers = f"family {key[1]}, model {model}"
    known = next((name for models, name in KINDS.get(key, {}).items() if model in models), "")
    name = re.sub(r"\((R|TM)\)| CPU| \d+-Core| @ .*", "", found.get("model name", "")).strip()
    # A name without a number says nothing.
    is_generic = not re.search(r"\d", name)
    if known:
        return f"{known} ({numbers if is_generic else name})"
    return f"{name} ({numbers})" if name and is_generic else name or numbers


def cpu() -> str:
    """Return this machine's kind of CPU."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "Apple"
    path = Path("/proc/cpuinfo")
    return kind_of(path.read_text()) if path.exists() else platform.processor() or platform.machine()
