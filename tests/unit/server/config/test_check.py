"""The rules of single options."""

import pytest

from kv.server.config import check

VARIABLES = {"title": "kv-server", "port": "6379", "server-mode": ""}


@pytest.mark.parametrize(
    ("template", "title"),
    [
        ("{title} {port} {server-mode}", "kv-server 6379"),
        ("{title}:{port}", "kv-server:6379"),
        ("plain", "plain"),
        ("{{title}", "{title}"),
        ("a{{", "a{"),
        ("a}b", "a}b"),
        ("", ""),
        ("   ", ""),
        ("{nosuch}", ""),
        ("{title", ""),
        ("x{", ""),
        ("{}", ""),
    ],
)
def test_process_titles(template, title):
    assert check.expand_process_title(template, VARIABLES) == title


def test_a_title_must_not_come_out_empty():
    assert not check.process_title("{title} {listen-addr}")
    assert check.process_title("{title} {server-mode}")


def test_file_names():
    assert not check.rdb_file("dump.rdb")
    assert check.rdb_file("a/b") == "dbfilename can't be a path, just a filename"
    assert check.aof_file("a\\b") == "appendfilename can't be a path, just a filename"
    assert check.aof_directory("") == "appenddirname can't be empty"
    assert check.aof_directory("a/b") == "appenddirname can't be a path, just a dirname"
    assert check.cluster_file("") == "cluster-config-file can't be empty"


def test_addresses():
    assert not check.ipv4("") and not check.ipv4("1.2.3.4") and not check.ipv6("::1") and not check.ipv6("")
    assert check.ipv4("::1") == check.ipv4("1.2.3") == check.ipv4("1.2.3.4\0") == "Invalid IPv4 address"
    assert check.ipv6("1.2.3.4") == "Invalid IPv6 address"


def test_host_and_node_names():
    assert not check.hostname("a-1.example.COM") and not check.hostname("")
    assert check.hostname("é").startswith("Hostnames may only") and not check.hostname("a" * 255)
    assert not check.node_name("node 1/é") and check.node_name("a{b")
