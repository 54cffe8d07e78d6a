"""The default user as requirepass, lines of a configuration and ACL files state it."""
import hashlib
import io

import pytest

from kv.server.config import Config, FatalConfigError
from kv.server.user import DefaultUser

HASH = hashlib.sha256(b"secret").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
ALL = "~* &* +@all"
ONE_USER = ("There is the default user alone, with all keys, channels and commands (on ~* &* +@all): ACL users are not part of "
            "this release")
BAD_HASH = ("Error in user declaration 'default': The password hash must be exactly 64 characters and contain only lowercase "
            "hexadecimal characters")


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text: str, acl_file: str | None = None) -> DefaultUser:
        if acl_file is not None:
            (tmp_path / "users.acl").write_text(acl_file)
            text += "\naclfile users.acl"
        config = Config.from_command_line(["kv-server", "-"], io.StringIO(text))
        assert isinstance(config, Config)
        return DefaultUser(config)

    return read


@pytest.mark.parametrize("text, passwords, line", [
    ("", None, f"on nopass sanitize-payload {ALL}"),
    ("requirepass secret", [b"secret"], f"on sanitize-payload #{HASH} {ALL}"),
    # as CONFIG REWRITE writes it: Valkey 7.2 and 8.1; Redis 6.2 and 7.0; Redis 7.2 and 7.4
    (f"user default on nopass sanitize-payload {ALL}", None, f"on nopass sanitize-payload {ALL}"),
    (f"user default on nopass {ALL}", None, f"on nopass sanitize-payload {ALL}"),
    (f"user default on sanitize-payload #{HASH} {ALL}", [b"secret"], f"on sanitize-payload #{HASH} {ALL}"),
    (f"user default on #{HASH} {ALL}", [b"secret"], f"on sanitize-payload #{HASH} {ALL}"),
    (f"user default on #{HASH} #{OTHER} {ALL}", [b"secret", b"other"], f"on sanitize-payload #{HASH} #{OTHER} {ALL}"),
    # by hand
    (f"user default on >secret {ALL}", [b"secret"], f"on sanitize-payload #{HASH} {ALL}"),
    ("user default ON NOPASS allkeys allchannels allcommands", None, f"on nopass sanitize-payload {ALL}"),
    (f"user default nopass on {ALL} >secret", [b"secret"], f"on sanitize-payload #{HASH} {ALL}"),
    (f"user default on >secret nopass {ALL}", None, f"on nopass sanitize-payload {ALL}"),
    (f"user default on >secret >other <secret {ALL}", [b"other"], f"on sanitize-payload #{OTHER} {ALL}"),
    (f"user default on >secret >secret !{HASH} >other {ALL}", [b"other"], f"on sanitize-payload #{OTHER} {ALL}"),
    (f"user default on >old resetpass >secret skip-sanitize-payload {ALL}", [b"secret"], f"on skip-sanitize-payload #{HASH} {ALL}"),
    ("user default off -@all resetkeys resetchannels reset on nopass %RW~* &* +@all", None, f"on nopass sanitize-payload {ALL}"),
    # a line of ACLs counts more than requirepass
    (f"requirepass other\nuser default on #{HASH} {ALL}", [b"secret"], f"on sanitize-payload #{HASH} {ALL}"),
    (f"requirepass other\nuser default on nopass {ALL}", None, f"on nopass sanitize-payload {ALL}"),
])
def test_the_user_of_a_configuration(user, text, passwords, line):
    found = user(text)
    assert found.line() == f"user default {line}"
    assert found.nopass == (passwords is None)
    for word in (b"secret", b"other", b"", b"old"):
        assert found.accepts(word) == (passwords is None or word in passwords)


@pytest.mark.parametrize("text", ["", "\n \n", f"user default on nopass sanitize-payload {ALL}\n"])
def test_an_acl_file_without_other_users(user, text):
    assert user("", text).nopass
    assert user("requirepass secret", text).nopass      # which has no effect then, as in Valkey


def test_an_acl_file_with_a_password(user):
    assert user("", f"user default on #{HASH}  {ALL} \r\n").accepts(b"secret")
    assert not user("", f"user default on #{HASH} {ALL}").accepts(b"other")


@pytest.mark.parametrize("rules", [
    "", "on", f"on {ALL}", f"off nopass {ALL}", "on nopass", "on nopass ~* &*", "on nopass ~* +@all", "on nopass &* +@all",
    f"on nopass {ALL} -@dangerous", f"on nopass {ALL} -flushall", "on nopass ~cache:* &* +@all", f"reset {ALL}",
    f"on nopass {ALL} resetchannels", "on nopass ~* resetchannels +@all", f"on nopass {ALL} -@all", "on nopass %R~* &* +@all",
    f"on nopass {ALL} (~x +get)",
])
def test_rules_that_take_something_away_are_refused(user, rules):
    with pytest.raises(FatalConfigError) as refused:
        user(f"hz 10\nuser default {rules}".rstrip())
    assert str(refused.value).endswith(f"at line 2\n>>> 'user default {rules}".rstrip() + f"'\n{ONE_USER}")
    with pytest.raises(FatalConfigError, match="users.acl:1: There is the default user alone"):
        user("", f"user default {rules}")


def test_another_user_is_refused(user):
    with pytest.raises(FatalConfigError, match="ACL users are not part of this release"):
        user(f"user default on nopass {ALL}\nuser alice on nopass {ALL}")
    with pytest.raises(FatalConfigError, match="users.acl:3: There is the default user alone"):
        user("", f"user default on nopass {ALL}\n\nuser alice on nopass {ALL}")


@pytest.mark.parametrize("text, complaint", [
    ("user default on #ABC ~* &* +@all", BAD_HASH),
    (f"user default on #{HASH.upper()} {ALL}", BAD_HASH),
    (f"user default on nopass nonsense {ALL}", "Error in user declaration 'default': Syntax error"),
    (f"user default on <secret {ALL}",
     "Error in user declaration 'default': The password you are trying to remove from the user does not exist"),
    (f"user default on nopass {ALL}\nuser default on nopass {ALL}",
     "Error in user declaration 'default': Duplicate user found. A user can only be defined once in config files"),
])
def test_complaints_are_valkeys(user, text, complaint):
    with pytest.raises(FatalConfigError) as refused:
        user(text)
    assert str(refused.value).endswith(f"\n{complaint}")


def test_complaints_about_acl_files_are_valkeys(user, tmp_path):
    path = tmp_path / "users.acl"
    for text, complaint in (("bogus", f"{path}:1 should start with user keyword followed by the username."),
                            (f"user default on nopass {ALL}\n" * 2,
                             f"{path}:2: WARNING: Duplicate user 'default' found on line 2.")):
        with pytest.raises(FatalConfigError) as refused:
            user("", text)
        assert str(refused.value).endswith(f"\n{complaint}")
    with pytest.raises(FatalConfigError, match="define either an ACL file or declare users directly in your kv.conf, but not both"):
        user(f"user default on nopass {ALL}", "")


def test_a_new_password_replaces_all_and_can_be_taken_back(user):
    found = user(f"user default on #{HASH} #{OTHER} {ALL}")
    found.set_password("third")
    assert [found.accepts(word) for word in (b"secret", b"other", b"third")] == [False, False, True]
    found.undo()
    assert [found.accepts(word) for word in (b"secret", b"other", b"third")] == [True, True, False]
    found.set_password("")
    assert found.nopass and found.accepts(b"anything")


def test_whether_requirepass_says_it_all(user):
    assert user("").is_as_required("")
    assert user("requirepass secret").is_as_required("secret")
    assert user(f"user default on #{HASH} {ALL}").is_as_required("secret")
    assert not user(f"user default on #{HASH} {ALL}").is_as_required("")
    assert not user(f"user default on nopass {ALL}").is_as_required("secret")
    assert not user(f"user default on nopass skip-sanitize-payload {ALL}").is_as_required("")
