"""Everything that is asked for by an option instead of a command."""

from kv.cli.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv.cli.session import Session


def run_mode(options: Options) -> int:
    """Run the mode; each lives in a module of its own that only its users pay for."""
    mode = options.mode
    if mode in ("help", "version"):
        from kv.cli.usage import print_usage, print_version

        return print_usage() if mode == "help" else print_version()
    if mode == "intrinsic-latency":
        from kv.cli.latency import intrinsic

        return intrinsic(options)
    from kv.cli.session import Session

    session = Session(options)
    if mode in ("hint", "hint-file"):
        from kv.cli.hints import check_file, show

        return show(session, options) if mode == "hint" else check_file(session, options)
    session.require()
    if mode in ("scan", "bigkeys", "memkeys", "hotkeys"):
        from kv.cli import scan

        runners = {"scan": scan.list_keys, "hotkeys": scan.hot_keys}
        return runners.get(mode, scan.big_keys)(session, options)
    return _run_stream(mode, session, options)


def _run_stream(mode: str, session: "Session", options: Options) -> int:
    """The modes that watch or feed a connection."""
    if mode == "pipe":
        from kv.cli.pipe import feed

        return feed(session, options)
    if mode in ("replica", "rdb", "functions-rdb"):
        from kv.cli import replica

        return replica.watch(session) if mode == "replica" else replica.download(session, options)
    if mode == "stat":
        from kv.cli.stat import watch

        return watch(session, options)
    if mode == "lru-test":
        from kv.cli.lru import simulate

        return simulate(session, options)
    from kv.cli import latency

    if mode == "latency-dist":
        return latency.distribution(session, options)
    return latency.sample(session, options)
