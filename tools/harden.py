"""Kills, pairs, damaged files, full disks and hostile rules: what takes too long for the tests.

    make harden TRIES=5
    python tools/harden.py --tries 1 --only "kill generate" --only pairs

Each check prints `tried N, failed M` and every failure; the exit code is 1 if anything failed. A check that has passed,
of one version of the code and at so many tries, is noted in build/harden.json, and isn't run again.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]
NOTE = ROOT / "build" / "harden.json"
CLI = [sys.executable, "-m", "melodylc"]
# The command line with few steps of training, so that a whole run takes seconds.
SHORT = """
import sys
from dataclasses import replace
from melodylc.cli.main import main
from melodylc.training import run, settings
from melodylc.training.settings import StageSettings, TrainSettings
run.VALIDATION_MELODIES, run.SIGMA_MELODIES = 4, 8
vae = (StageSettings(kind="codec", batch=4, rate=2e-3, steps=8, warmup=2),
       StageSettings(kind="song", batch=4, rate=1e-3, steps=12, warmup=2, free_nats=(100.0, 40.0)))
settings.default_settings = lambda config: TrainSettings(stages=vae, validate_every=2)
language = (StageSettings(kind="language", batch=2, rate=1e-3, steps=3, warmup=1),)
settings.LANGUAGE = TrainSettings(stages=language, validate_every=2)
if sys.argv[1] == "fit":
    from melodylc.constraints import fitting
    steps = dict(warmup=2, critic_steps=2, actor_steps=2)
    small = dict(bank=64, fresh=8, batch=8, augmentations=8, check=4, measure=4, **steps)
    fitting.SETTINGS, fitting.EDIT_SAMPLES = replace(fitting.SETTINGS, **small), 2
main()
"""
HOSTILE = """
import os, time
from melodylc import reward
forked = []
@reward
def raises(melody): raise RuntimeError("\\x1b[2J")
@reward
def lies(melody): return "1.0" if melody.note_count % 2 else float("nan")
@reward
def hangs(melody): time.sleep(3600)
@reward
def prints(melody):
    print("x" * 100_000)
    return 1.0
@reward
def forks(melody):
    if forked.append(1) is None and len(forked) < 9 and os.fork() == 0: time.sleep(600)
    return 1.0
@reward
def writes(melody):
    for descriptor in range(3, 20):
        try: os.write(descriptor, b"\\xff" * 4000)
        except OSError: pass
    return 1.0
@reward
def closes(melody):
    os.closerange(0, 64)
    return 1.0
@reward
def exits(melody): os._exit(0)
"""
HOSTILE_RULES = ("raises", "lies", "hangs", "prints", "forks", "writes", "closes", "exits")


class Tally:
    """What a check tried, and what failed."""

    def __init__(self) -> None:
        self.tried, self.failures = 0, list[str]()

    def add(self, *faults: str) -> None:
        """One try, with its faults."""
        self.tried += 1
        self.failures += [" ".join(faults)] if faults else []


class Done:
    """How a process ended: its code and all that it printed."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text

    def faults(self, *allowed: int) -> list[str]:
        """A code that isn't allowed, a traceback."""
        found = [f"exit code {self.code}: {self.text[-300:]!r}"] if self.code not in allowed else []
        return found + (["traceback: " + self.text[-600:]] if "Traceback (most recent" in self.text else [])


class Process:
    """A command in a session of its own, whose output goes to a file, so that no pipe holds anything up."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open for the process
        name = secrets.token_hex(8)
        self._mark = f"HARDEN_PROCESS={name}"
        environment = {**os.environ, "MELODYLC_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        environment["HARDEN_PROCESS"] = name
        self.popen = subprocess.Popen(
            command, cwd=folder, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=environment,
            start_new_session=True,
        )  # fmt: skip

    def end(self, seconds: float = 900) -> Done:
        """Wait for it."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            code = self.popen.wait() and 124
        self.log.seek(0)
        return Done(code, self.log.read().decode(errors="replace"))

    def survivors(self) -> int:
        """Processes that it started, in whatever session, and that go on ten seconds after it ended; they are ended."""
        for _ in range(100):
            if not (left := _with_environment(self._mark)):
                return 0
            time.sleep(0.1)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return len(left)


def _with_environment(mark: str) -> list[int]:
    """Processes that have such a line in their environment, which children inherit."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            lines = path.read_bytes().split(b"\0")
            state = path.with_name("stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark.encode() in lines and state != "Z":
            found.append(int(path.parent.name))
    return found


def run(command: list[str], folder: Path) -> Done:
    """A command from start to end."""
    return Process(command, folder).end()


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder: melodies, corpora, tensors by what they hold; the rest, which has times, by name."""
    from safetensors.numpy import load_file

    found = {}
    for path in sorted(it for it in folder.rglob("*") if it.is_file()):
        digest = hashlib.sha256()
        if path.suffix == ".safetensors":
            for name, tensor in sorted(load_file(path).items()):
                digest.update(name.encode() + tensor.tobytes())
        elif path.suffix in (".mid", ".npy", ".npz", ".tsv"):
            digest.update(path.read_bytes())
        found[str(path.relative_to(folder))] = digest.hexdigest()
    return found


def difference(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """What is missing, left over or another."""
    names = sorted(expected.keys() ^ found.keys())
    return [f"missing or left over: {names[:5]}"] * bool(names) + [
        f"another content: {name}" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]
    ]


@contextmanager
def folder_with_music() -> Iterator[Path]:
    """A new folder with a small collection and rules."""
    from corpus_midi import small_collection

    with tempfile.TemporaryDirectory(prefix="harden-") as name:
        small_collection(Path(name) / "tunes", 40)
        small_collection(Path(name) / "others", 30)
        (Path(name) / "rules.py").write_text(HOSTILE)
        yield Path(name)


def commands() -> dict[str, list[str]]:
    """The commands that are killed and paired. Each writes `out`, which exists for none of them."""
    short = [sys.executable, "-c", SHORT]
    return {
        "data build": [*CLI, "data", "build", "tunes", "-o", "out", "--heldout", "0.2", "--workers", "2"],
        "train vae": [*short, "train", "vae", "corpus", "-o", "out", "--config", "tiny", "--precision", "fp32"],
        "train prior": [*short, "train", "prior", "corpus", "-o", "out"],
        "fit": [*short, "fit", "--scale", "cmin", "--rounds", "1", "-o", "out.safetensors"],
        "generate": [*CLI, "generate", "--scale", "cmin", "-n", "12", "--seed", "3", "-o", "out"],
        "image train": [*CLI, "image", "train", "--dataset", "faces", "--steps", "6", "-o", "out"],
    }


def prepare(name: str, folder: Path) -> None:
    """What a command needs: a corpus."""
    if name.startswith("train"):
        build = [*CLI, "data", "build", "tunes", "others", "-o", "corpus", "--heldout", "0.2", "--workers", "1"]
        if (done := run(build, folder)).code:
            raise SystemExit(done.text)


def kill(name: str, tries: int, tally: Tally) -> None:
    """SIGKILL and SIGTERM at random moments; the same command again gives what an undisturbed run gives."""
    draw = random.Random(name)
    with folder_with_music() as base:
        prepare(name, base)
        clean = base.parent / f"{base.name}-clean"
        shutil.copytree(base, clean)
        began = time.monotonic()
        done = run(commands()[name], clean)
        seconds, expected = time.monotonic() - began, content(clean)
        shutil.rmtree(clean)
        if done.code:
            tally.add(*done.faults(0))
            return
        for blow in [signal.SIGKILL, signal.SIGTERM] * tries:
            with tempfile.TemporaryDirectory(prefix="harden-") as word:
                place = Path(word) / "place"
                shutil.copytree(base, place)
                process = Process(commands()[name], place)
                time.sleep(seconds * draw.random())
                process.popen.send_signal(blow)
                faults = process.end().faults(0, -blow, 128 + blow)
                if left := process.survivors():
                    faults.append(f"{left} processes left")
                faults += run(commands()[name], place).faults(0)
                tally.add(*(f"{blow.name}: {it}" for it in faults + difference(expected, content(place))))


def pairs(tries: int, tally: Tally) -> None:
    """Two at once on one place: both whole, or one refused; and where the second waits, it has the first's result."""
    for name, first in commands().items():
        other = list(first)
        if name == "data build":
            other[other.index("tunes")] = "others"
        if name == "generate":
            other[other.index("3")] = "4"
        for _ in range(tries):
            with folder_with_music() as place:
                prepare(name, place)
                processes = [Process(command, place) for command in (first, other)]
                ends = [process.end() for process in processes]
                faults = [fault for end in ends for fault in end.faults(0, 2)]
                if all(end.code for end in ends):
                    faults.append("neither wrote")
                if name == "generate":
                    listed = json.loads((place / "out" / "manifest.json").read_text())["files"]
                    if not len(listed) == len(list((place / "out").glob("*.mid"))) == 12:
                        faults.append(f"{len(listed)} melodies in the manifest, of 12")
                    if not any(end.code for end in ends):
                        faults.append("two requests in one folder, and both said done")
                elif name == "data build" and not any(end.code for end in ends):
                    faults.append("two different corpora in one folder, and both said done")
                tally.add(*(f"{name}: {it}" for it in faults))


def damaged(tries: int, tally: Tally) -> None:
    """Damaged MIDI files read in 2 GB of memory; the notes are those of a scan of its own, or the file says why."""
    import corpus_midi
    from reading import mutated, verdict

    files = [corpus_midi.midi(corpus_midi.tune(k), corpus_midi.tune(k + 1)) for k in range(20)]
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, before[1]))
    try:
        for data in mutated(files, 4000 * tries, seed=0):
            try:
                said = verdict(data)
            except (Exception, MemoryError) as error:
                said = f"FAULT: {type(error).__name__}: {error}"
            tally.add(*[said] * said.startswith("FAULT"))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def writers() -> dict[str, list[str]]:
    """Every command that writes: those that are killed, and those that take a melody."""
    tune = "tunes/tune 01.mid"
    return {
        **commands(),
        "transform": [*CLI, "transform", tune, "--scale", "cmin", "-n", "2", "--seed", "1", "-o", "out"],
        "vary": [*CLI, "vary", tune, "-n", "2", "--seed", "1", "-o", "out"],
        "show": [*CLI, "show", tune, "-o", "out.png"],
        "reconstruct": [*CLI, "reconstruct", tune, "--refine", "0", "--seed", "1", "-o", "out"],
    }


def full_disk(tries: int, tally: Tally) -> None:
    """Every command that writes, where files may not grow beyond a size, and where the disk is too small (a tmpfs).

    It says so in a sentence, or had room; no temporary file stays; and once there is room, the same command again gives
    what it would have given.
    """
    for name, command in writers().items():
        draw = random.Random(name)
        with folder_with_music() as base:
            prepare(name, base)
            clean = base.parent / f"{base.name}-clean"
            shutil.copytree(base, clean)
            done = run(command, clean)
            expected = content(clean)
            largest = max((clean / it).stat().st_size for it in expected.keys() - content(base).keys())
            shutil.rmtree(clean)
            if done.code:
                tally.add(*done.faults(0))
                continue
            for turn in range(2 * tries):
                with tempfile.TemporaryDirectory(prefix="harden-") as word:
                    place = Path(word) / "place"
                    place.mkdir()
                    limit = draw.randrange(largest)
                    mounted = turn % 2 == 1 and _mount(place, max(4096, limit))
                    if turn % 2 and not mounted:
                        print("  no tmpfs: this account can't mount one")
                        continue
                    try:
                        tally.add(
                            *(
                                f"{name}, {limit:,} bytes: {it}"
                                for it in _filled(command, base, place, limit, mounted, expected)
                            )
                        )
                    finally:
                        if mounted:
                            subprocess.run(["umount", "-l", str(place)], check=False)


def _filled(
    command: list[str], base: Path, place: Path, limit: int, mounted: bool, expected: dict[str, str]
) -> list[str]:
    """What goes wrong with a command in a place with little room."""
    if mounted:  # the disk has room for what is read, and for what it is given here
        _resize(place, sum(it.stat().st_size + 4096 for it in base.rglob("*")) + max(4096, limit))
    shutil.copytree(base, place, dirs_exist_ok=True)

    def limited() -> None:
        if not mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = {**os.environ, "MELODYLC_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=place, env=environment, preexec_fn=limited, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False,
    )  # fmt: skip
    done = Done(ended.returncode, ended.stdout.decode(errors="replace"))
    faults = done.faults(0, 2)
    left = [it for it in content(place) if it.endswith(".tmp")]
    faults += [f"left: {left}"] if left else []
    if mounted:
        _resize(place, 1 << 30)
    if done.code:
        faults += run(command, place).faults(0)
    found = {it: text for it, text in content(place).items() if not it.startswith("cache/")}  # which is optional
    return faults + difference({it: text for it, text in expected.items() if not it.startswith("cache/")}, found)


def _mount(place: Path, size: int) -> bool:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    return bool(shutil.which("mount")) and not subprocess.run(mount, capture_output=True, check=False).returncode


def _resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def hostile_rules(tries: int, tally: Tally) -> None:
    """Rules that raise, lie, hang, print, fork, and write into their pipe or close it, through `generate`."""
    for rule in HOSTILE_RULES:
        with folder_with_music() as place:
            words = ["--reward", f"rules.py:{rule}", "--reward-seconds", "1", "-n", "2", "-o", "out"]
            process = Process([*CLI, "generate", *words], place)
            done = process.end(300)
            faults = done.faults(0, 2, 3)
            faults += ["the rule wasn't asked"] if f"rules.py:{rule}" not in done.text and done.code == 2 else []
            faults += [f"{left} processes left"] if (left := process.survivors()) else []
            tally.add(*(f"{rule}: {it}" for it in faults))


def many_members(tries: int, tally: Tally) -> None:
    """An archive of 200,000 empty members for each try, a million by default, beside one melody."""
    import io

    import corpus_midi

    with folder_with_music() as place:
        with tarfile.open(place / "many.tar.gz", "w:gz", compresslevel=1) as archive:
            for k in range(200_000 * tries):
                archive.addfile(tarfile.TarInfo(f"{k}.txt"))
            music = corpus_midi.midi(corpus_midi.tune(1))
            member = tarfile.TarInfo("tune.mid")
            member.size = len(music)
            archive.addfile(member, io.BytesIO(music))
        done = run([*CLI, "data", "build", "many.tar.gz", "tunes", "-o", "out", "--heldout", "0.2"], place)
        tally.add(*done.faults(0, 2))


def _resident(pid: int) -> float:
    """Megabytes that a process holds; 0 for one that ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0


class Studio:
    """A studio in a place of its own, and how one asks it."""

    def __init__(self, place: Path, *options: str) -> None:
        self.process = Process([*CLI, "studio", "--no-open", "--port", "0", *options], place)
        self.entrances = place / "cache" / "studio"
        while self.process.popen.poll() is None and not list(self.entrances.glob("*.json")):
            time.sleep(0.2)
        if self.process.popen.poll() is not None:
            raise RuntimeError(self.process.end().text)
        entrance = next(self.entrances.glob("*.json"))
        self._address, self._token = f"127.0.0.1:{entrance.stem}", json.loads(entrance.read_text())["token"]

    def generate(self, seed: int, **words: object) -> tuple[int, str]:
        """The status and the text of an answer."""
        connection = http.client.HTTPConnection(self._address, timeout=300)
        body = json.dumps({"scale": "cmaj", "count": 8, "seed": seed, **words})
        connection.request("POST", "/api/v1/generate", body, {"authorization": f"Bearer {self._token}"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def end(self, blow: signal.Signals) -> list[str]:
        """End it by a signal: what is wrong with how it ended, and what stays."""
        self.process.popen.send_signal(blow)
        faults = self.process.end(60).faults(0, 130, 143, -blow)
        faults += [f"{left} processes left"] if (left := self.process.survivors()) else []
        if blow == signal.SIGTERM and list(self.entrances.glob("*.json")):
            faults.append("the file with the secret is still there")
        return faults


def studio(tries: int, tally: Tally) -> None:
    """60 generations for each try, with the memory before and after, then a signal; nothing stays in its cache."""
    for blow in (signal.SIGTERM, signal.SIGKILL):
        with folder_with_music() as place:
            served, first = Studio(place), 0.0
            for seed in range(60 * tries if blow == signal.SIGTERM else 2):
                melodies = served.generate(seed)[1].count('"melody"')
                tally.add(*[f"{melodies} melodies of 8"] * (melodies < 8))
                first = _resident(served.process.popen.pid) if seed == 19 else first
            if first:
                grown = _resident(served.process.popen.pid) - first
                print(f"  {first:.0f} MB after 20 generations, {grown:+.0f} MB at the end")
                tally.add(*[f"memory grew by {grown:.0f} MB"] * (grown > 100))
            tally.add(*served.end(blow))


def hostile_studio(tries: int, tally: Tally) -> None:
    """The same rules through the studio: each gets an answer, and the next request its melodies; nothing stays."""
    with folder_with_music() as place:
        named = [word for rule in HOSTILE_RULES for word in ("--reward", f"rules.py:{rule}")]
        served = Studio(place, *named, "--reward-seconds", "1")
        for number, rule in enumerate(HOSTILE_RULES):
            status, text = served.generate(number, count=2, rules=[{"rule": number}])
            print(f"  {rule}: {status} {text.strip()[-200:]!r}", flush=True)
            faults = [f"status {status}: {text[:300]}"] * (status not in (200, 400))
            faults += ["a traceback in the answer"] * ("Traceback" in text)
            melodies = served.generate(number)[1].count('"melody"')
            faults += [f"{melodies} melodies of 8 after it"] * (melodies < 8)
            tally.add(*(f"{rule}: {it}" for it in faults))
        tally.add(*served.end(signal.SIGTERM))


def flat_memory(tries: int, tally: Tally) -> None:
    """`generate -n 1000` for each try: what it holds at a quarter of the melodies is what it holds at the end."""
    with folder_with_music() as place:
        process = Process([*CLI, "generate", "--scale", "cmaj", "-n", str(1000 * tries), "-o", "out"], place)
        held = []
        while process.popen.poll() is None:
            held.append(_resident(process.popen.pid))
            time.sleep(1)
        quarter, last = held[len(held) // 4], max(held)
        print(f"  {quarter:.0f} MB at a quarter, {last:.0f} MB at most")
        tally.add(*process.end().faults(0), *[f"grew by {last - quarter:.0f} MB"] * (last - quarter > 100))


Check = Callable[[int, Tally], None]
CHECKS: dict[str, Check] = {
    "damaged files": damaged,
    **{f"kill {name}": lambda tries, tally, name=name: kill(name, tries, tally) for name in commands()},
    "pairs": pairs,
    "hostile rules": hostile_rules,
    "hostile rules, studio": hostile_studio,
    "full disk": full_disk,
    "archive of many members": many_members,
    "studio": studio,
    "flat memory": flat_memory,
}


def main() -> None:
    """Run the checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=5, help="how often each is tried; other numbers scale with it")
    parser.add_argument("--only", action="append", choices=list(CHECKS), help="a check; all by default")
    chosen = parser.parse_args()
    version = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    passed = json.loads(NOTE.read_text()) if NOTE.exists() else []
    failed = False
    for name in chosen.only or CHECKS:
        key = [name, chosen.tries, version.stdout.strip()]
        if key in passed:
            print(f"{name}: passed before")
            continue
        tally = Tally()
        print(name, flush=True)
        try:
            CHECKS[name](chosen.tries, tally)
        except Exception as error:  # the others are run all the same
            tally.add(f"the check itself: {type(error).__name__}: {error}")
        print(f"{name}: tried {tally.tried}, failed {len(tally.failures)}", flush=True)
        for failure in tally.failures[:20]:
            print(f"  {failure}")
        failed |= bool(tally.failures)
        if not tally.failures and not version.stdout.strip().endswith("-dirty"):
            passed.append(key)
            NOTE.parent.mkdir(exist_ok=True)
            NOTE.write_text(json.dumps(passed))
    sys.exit(failed)


if __name__ == "__main__":
    main()
