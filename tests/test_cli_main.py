"""The front door: help without weight, one line for every mistake, the right exit code."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from conftest import Run

from melodylc.cli import ui
from melodylc.cli.lazy import LazyGroup, Row
from melodylc.cli.main import COMMANDS, group
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, reason

RunCli = Callable[..., Run]


def walk(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and those below it, each with the words that lead to it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, *words, name)


def raising(error: BaseException) -> Callable[[], None]:
    def callback() -> None:
        raise error

    return callback


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., object]], None]:
    """Make a function the command ``melodylc planted``."""

    def planted(callback: Callable[..., object]) -> None:
        module = types.ModuleType("planted_command")
        module.command = click.Command("planted", callback=callback)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "planted_command", module)
        monkeypatch.setitem(COMMANDS, "planted", Row("planted_command:command", "A command of the tests."))

    return planted


Plant = Callable[[Callable[..., object]], None]


def python(script: str, **options: object) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", script]
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_help_lists_the_commands_in_order(run_cli: RunCli) -> None:
    shown = run_cli("--help")
    assert shown.code == 0
    assert shown.err == ""
    places = [shown.out.index(f"  {name}  ") for name in COMMANDS]
    assert places == sorted(places)
    assert all(row.help in shown.out for row in COMMANDS.values())


def test_help_imports_no_command_and_no_torch() -> None:
    script = (
        "import sys; from melodylc.cli.main import run, COMMANDS; run(['--help']);"
        "names = {'torch', 'numpy', 'symusic', 'rich'} | {row.path.split(':')[0] for row in COMMANDS.values()};"
        "print(sorted(names & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(run_cli: RunCli) -> None:
    from melodylc import __version__

    assert run_cli("--version") == Run(0, f"melodylc {__version__}\n", "")


def test_python_dash_m_is_the_same_program(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "melodylc", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("melodylc ")


@pytest.mark.parametrize("words", [(), ("train",)], ids=["melodylc", "melodylc train"])
def test_a_group_alone_shows_its_help(words: tuple[str, ...], run_cli: RunCli) -> None:
    shown = run_cli(*words)
    assert shown.code == 2
    assert shown.out == ""
    assert shown.err.startswith("Usage: " + " ".join(["melodylc", *words]))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["compose"], "unknown command 'compose'; choose from generate, transform, vary, continue, fill"),
        (["--loud"], "No such option '--loud'"),
        (["train", "vae", "--loud"], "No such option '--loud'"),
        (["train", "vae"], "Missing argument 'CORPUS'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_wrong_command_line_is_one_line(words: list[str], line: str, run_cli: RunCli) -> None:
    refused = run_cli(*words)
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.count("\n") == 1
    assert refused.err.startswith("melodylc: error: ")
    assert line in refused.err
    assert "--help')" in refused.err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            InputError("scale 'cmjaor'\nis unknown:  did you mean cmaj?"),
            "scale 'cmjaor' is unknown: did you mean cmaj?",
        ),
        (PermissionError(13, "Permission denied", "/nowhere"), "[Errno 13] Permission denied: '/nowhere'"),
        (click.ClickException("plain"), "plain"),
    ],
    ids=["ours", "the system's", "click's"],
)
def test_a_user_error_is_one_line(error: Exception, line: str, run_cli: RunCli, plant: Plant) -> None:
    plant(raising(error))
    assert run_cli("planted") == Run(2, "", f"melodylc: error: {line}\n")


def test_a_bug_keeps_its_traceback(run_cli: RunCli, plant: Plant) -> None:
    plant(raising(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        run_cli("planted")


def test_ctrl_c_is_one_line(run_cli: RunCli, plant: Plant) -> None:
    plant(raising(KeyboardInterrupt()))
    stopped = run_cli("planted")
    assert (stopped.code, stopped.out, stopped.err.strip()) == (130, "", "melodylc: interrupted")


@pytest.mark.parametrize("way", ["return", "exit"])
def test_a_command_chooses_its_exit_code(way: str, run_cli: RunCli, plant: Plant) -> None:
    plant((lambda: 3) if way == "return" else lambda: click.get_current_context().exit(3))
    assert run_cli("planted").code == 3


PLANTED = """
import sys, types, time, click
from melodylc.cli.main import COMMANDS, main
from melodylc.cli.lazy import Row
module = sys.modules["planted"] = types.ModuleType("planted")
def callback():
    {body}
module.command = click.Command("planted", callback=callback)
COMMANDS["planted"] = Row("planted:command", "")
main(["planted"])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
def test_a_real_ctrl_c_ends_a_real_process() -> None:
    process = python(PLANTED.format(body="print('ready', flush=True); time.sleep(60)"))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "melodylc: interrupted")


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("deaf", [False, True], ids=["", "to Ctrl-C"])
def test_the_signals_that_end_a_process_are_ctrl_c(name: str, code: int, deaf: bool) -> None:
    body = (
        "from melodylc.training.loop import without_signals\n"
        "    with without_signals():\n"
        "        print('ready', flush=True); time.sleep(1); print('whole', flush=True)\n"
        "    time.sleep(60)"
    )
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" if deaf else ""
    process = python(ignore + PLANTED.format(body=body))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=50)
    assert (out, process.returncode, err.strip()) == ("whole\n", code, f"melodylc: ended by {name}")


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
def test_an_ignored_hangup_stays_ignored() -> None:
    body = "print('ready', flush=True); sys.stdin.readline()"
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = python(ignore + PLANTED.format(body=body), stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate("go on\n", timeout=30) == ("", "")
    assert process.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="descriptors are another thing there")
@pytest.mark.parametrize(
    ("shell", "code", "err"),
    [
        (">&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        (">/dev/full", 2, f"melodylc: error: can't read or write: {reason(OSError(errno.ENOSPC, ''))}"),
    ],
)
def test_output_that_goes_nowhere(shell: str, code: int, err: str, tmp_path: Path) -> None:
    if shell == ">/dev/full" and not Path("/dev/full").exists():
        pytest.skip("there is no full device here")
    body = (
        "from melodylc.cli import ui; from pathlib import Path\n"
        "    Path('kept').write_text('ours'); ui.table(['x'], [[1]]); click.echo('x'); ui.say('y'*0)"
    )
    words = ["sh", "-c", f'exec "$@" {shell}', "sh", sys.executable, "-c", PLANTED.format(body=body)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (code, err.strip())
    assert (tmp_path / "kept").read_text() == "ours"


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.parametrize("body", ["click.echo('x')", "from melodylc.cli import ui; ui.table(['x'], [[1]])"])
def test_a_closed_pipe_ends_quietly(body: str) -> None:
    process = python(PLANTED.format(body=f"sys.stdin.readline(); {body}"), stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write("\n")
    process.stdin.close()
    assert process.wait(timeout=30) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, run_cli: RunCli) -> None:
    top = group.get_command(click.Context(group), name)
    assert top is not None
    for words, command in walk(top, name):
        shown = run_cli(*words, "--help")
        assert shown.code == 0
        assert shown.out.startswith("Usage: melodylc " + " ".join(words))
        assert command.help
        silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
        assert not silent, f"options of {' '.join(words)} without help"


@pytest.mark.parametrize("name", COMMANDS)
def test_one_file_a_command(name: str, root: Path) -> None:
    module, _, attribute = COMMANDS[name].path.partition(":")
    python = {"continue": "extend"}.get(name, name)  # a word of Python's, which no function can be called by
    assert module == f"melodylc.cli.{python}"
    assert attribute == python
    assert (root / "cli" / f"{python}.py").is_file()


def test_a_row_that_names_no_command_is_a_bug() -> None:
    group = LazyGroup("demo", rows={"path": Row("os:path", "Not a command.")})
    with pytest.raises(TypeError, match="os:path is not a click command"):
        group.get_command(click.Context(group), "path")


def test_shell_completion_knows_the_commands() -> None:
    from click.shell_completion import ShellComplete

    found = ShellComplete(group, {}, "melodylc", "_MELODYLC_COMPLETE").get_completions([], "gen")
    assert [item.value for item in found] == ["generate"]


def test_a_table_keeps_long_cells_and_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    path = "[red]" + "a" * 150 + ".mid"
    ui.table(["file", "notes"], [[path, 7], ["b.mid", 192]], title="[bold]written")
    out = capsys.readouterr().out
    assert path in out
    assert out.startswith("[bold]written")
    assert [line.split()[-1] for line in out.splitlines()[-2:]] == ["7", "192"]


def test_progress_and_remarks_leave_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.progress("[red]counting", total=2) as step:
        step()
        step(1, total=2, label="done")
    ui.say("kept [1] of 2")
    assert capsys.readouterr() == ("", "kept [1] of 2\n")


@pytest.mark.parametrize("command", list(COMMANDS))
def test_examples_in_a_help_stand_as_they_are(command: str, run_cli: RunCli) -> None:
    text = run_cli(command, "--help").out
    assert "\\b" not in text
    for line in text.splitlines():
        assert line.count("melodylc ") < 2 or line.lstrip().startswith("Usage"), line  # a line each


HOSTILE = "a\x1b[2J\x1b]52;c;eA==\x07\x9b31m\u202e\udcff\U000e0041é.mid"
SHOWN = "a\\u001b[2J\\u001b]52;c;eA==\\u0007\\u009b31m\\u202e\\udcff\\udb40\\udc41é.mid"


def test_nothing_reaches_the_terminal_raw(run_cli: RunCli, plant: Plant) -> None:
    def callback() -> None:
        click.echo(HOSTILE)
        click.echo(HOSTILE, err=True)
        ui.say(HOSTILE)
        ui.table([HOSTILE], [[HOSTILE]], title=HOSTILE)
        ui.console().print(HOSTILE)
        raise InputError(HOSTILE)

    plant(callback)
    done = run_cli("planted")
    assert done.out.count(SHOWN) == 3  # the table; elsewhere click and rich drop some of it before it comes to us
    assert done.err.splitlines()[1:] == [SHOWN, f"melodylc: error: {SHOWN}"]
    assert all(it.isprintable() or it == "\n" for it in done.out + done.err)


def test_a_stream_for_a_terminal_spells_out_what_it_would_obey() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    click.echo(HOSTILE, file=ui.Printable(stream))  # type: ignore[arg-type]
    assert stream.getvalue() == f"{SHOWN}\n"


def test_v_says_more(run_cli: RunCli, plant: Plant, tmp_path: Path) -> None:
    def callback() -> None:
        with atomic_write(tmp_path / "it\x1b"):
            pass

    plant(callback)
    assert run_cli("planted").err == ""
    assert run_cli("-v", "planted").err == f"wrote {tmp_path}/it\\u001b\n"
    assert run_cli("planted").err == ""


def test_json_stays_json_whatever_is_in_it(run_cli: RunCli, plant: Plant) -> None:
    plant(lambda: click.echo(json.dumps({"file": HOSTILE}, ensure_ascii=False)))
    assert json.loads(run_cli("planted").out)["file"] == HOSTILE


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_the_letters_is_no_mistake(encoding: str) -> None:
    body = "from melodylc.cli import ui; ui.table(['x'], [['\u266fé']]); click.echo('\u266fé'); ui.say('\u266fé')"
    done = subprocess.run(
        [sys.executable, "-c", PLANTED.format(body=body)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        timeout=60,
    )
    shown = "".join(
        it if encoding == "utf-8" or (it == "é" and encoding != "ascii") else f"\\u{ord(it):04x}" for it in "♯é"
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout.decode(encoding).count(shown), done.stderr.decode(encoding)) == (2, f"{shown}\n")


def test_a_fault_of_ours_is_printable_too() -> None:
    process = python(PLANTED.format(body="raise ZeroDivisionError('\\x1b[2J')"))
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" in err
    assert "\x1b" not in err


def test_long_work_in_a_log_says_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(ui, "LINE_SECONDS", 0.0)
    with ui.progress("counting", total=3) as step:
        step()
        step(2, label="still counting")
    out, err = capsys.readouterr()
    assert (out, [line.rsplit(",", 1)[0] for line in err.splitlines()]) == (
        "",
        ["counting: 1 of 3", "still counting: 3 of 3"],
    )
    assert "\x1b" not in err


def test_every_exit_code_is_in_the_reference(root: Path) -> None:
    from melodylc.cli.main import EXIT_CODES

    text = (root / "docs" / "reference" / "exit-codes.md").read_text("utf-8")
    assert "(docs/reference/exit-codes.md)" in (root / "README.md").read_text("utf-8")
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in text


@pytest.mark.parametrize(
    "words", [("rewards", "list"), ("rewards", "show", "density"), ("cache", "show")], ids=lambda words: " ".join(words)
)
def test_what_a_command_tells_is_json_when_asked(words: tuple[str, ...], run_cli: RunCli) -> None:
    done = run_cli(*words, "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)


def test_melodies_are_shown_as_json_whatever_the_file_is_called(run_cli: RunCli, tmp_path: Path) -> None:
    from melodylc import Melody, midi_bytes

    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[2J\xc2\x9b.mid"))
    path.write_bytes(midi_bytes(Melody.from_notes([(60 + step % 5, 4 * step, 4 * step + 4) for step in range(64)])))
    for command in ("show", "score"):
        done = run_cli(command, path, "--json")
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert (found["source"] if command == "score" else found[0])["file"] == str(path)
        assert "\x1b" not in done.out + done.err
    assert json.loads(run_cli("show", path, "--json").out)[0]["notes"][0] == [60, 0, 4]
