"""The default user: who a client is before it says so, and the one user that there is.

requirepass states its password. A `user default` line of the configuration, which every CONFIG REWRITE of Valkey and
Redis appends, or an ACL file, states the same in the language of ACLs, with a hash in place of the password:

    user default on nopass sanitize-payload ~* &* +@all
    user default on sanitize-payload #2c26b4...66e7ae ~* &* +@all

Such a line counts, and requirepass does not, where a file has both. Is every line of ACLs accepted? Only what leaves
the default user all keys, channels and commands: rules that take something away would not be obeyed here, so a file
with such a rule, or with another user, is refused.
"""
from __future__ import annotations

import os
import time

from kv.quoting import decode, encode

from .config.directive import FatalConfigError, fatal
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .config import Config
    from .config.directive import Directive

HASH_LENGTH = 64        # of a SHA-256 in hexadecimal
HEX_DIGITS = frozenset("0123456789abcdef")
ONE_USER = ("There is the default user alone, with all keys, channels and commands (on ~* &* +@all): ACL users are not part of "
            "this release")
BOTH_WAYS = ("Configuring KV with users defined in kv.conf and at the same setting an ACL file path is invalid. This setup "
             "is very likely to lead to configuration errors and security holes, please define either an ACL file or declare "
             "users directly in your kv.conf, but not both.")
PLACEHOLDER = "<generated-value>"   # what deploy/k8s/secret.yaml holds until somebody puts a password there
TWO_PASSWORDS = ("requirepass-file names the file with the password of the default user: there can be no requirepass, user or "
                 "aclfile beside it.")
# rule -> what it allows, and whether from now on
ALLOWING = {
    "on": ("enabled", True), "off": ("enabled", False),
    "~*": ("keys", True), "allkeys": ("keys", True), "%rw~*": ("keys", True), "%wr~*": ("keys", True), "resetkeys": ("keys", False),
    "&*": ("channels", True), "allchannels": ("channels", True), "resetchannels": ("channels", False),
    "+@all": ("commands", True), "allcommands": ("commands", True), "-@all": ("commands", False), "nocommands": ("commands", False),
    "sanitize-payload": ("sanitized", True), "skip-sanitize-payload": ("sanitized", False),
}

NARROWING = "+-~%&("     # other rules that begin so are of users with some commands, keys, channels or selectors


class RuleError(ValueError):
    """A rule that no user may have; str() is Valkey's complaint."""

    def __init__(self, complaint: str, rule: str = "") -> None:
        super().__init__(complaint)
        self.rule = rule


class DefaultUser:
    """Its passwords, as hashes; none is needed where there are none."""

    def __init__(self, config: Config) -> None:
        """As the configuration says. Raises FatalConfigError."""
        self.hashes: list[str] = []         # SHA-256 of each password, hexadecimal
        self.nopass = True                  # any password will do
        self.sanitized = True               # sanitize-payload
        self.before: tuple[bool, list[str]] = (True, [])    # nopass and hashes before requirepass was set last
        self.former: list[str] = []         # hashes that are accepted for a while longer
        self.former_until = 0.0             # ... until then, of the monotonic clock
        self.stated = False                 # by a line of ACLs instead of requirepass
        self.of_file = False                # the password is that of requirepass-file
        if config.users and config.aclfile:
            raise FatalConfigError(BOTH_WAYS)
        if config.requirepass_file and (config.requirepass or config.users or config.aclfile):
            raise FatalConfigError(TWO_PASSWORDS)
        if config.aclfile:
            self.read_file(os.path.join(config.dir, config.aclfile))
        elif config.users:
            self.read_directives(config.users)
        else:
            self.set_password(config.requirepass)   # or that of requirepass-file, which PasswordFile reads

    def set_password(self, password: str) -> None:
        """What requirepass means: this password and no other, or none for an empty one."""
        self.before = self.nopass, self.hashes
        self.former = []
        self.nopass = not password
        self.hashes = [sha256(encode(password))] if password else []

    def replace_password(self, password: str, seconds: int) -> None:
        """This one from now on; those that there were are accepted for some seconds more."""
        former = self.hashes
        self.set_password(password)
        self.former, self.former_until = former, time.monotonic() + seconds

    def undo(self) -> None:
        """Take the last set_password back."""
        self.nopass, self.hashes = self.before

    def accepts(self, password: bytes) -> bool:
        """Whether this is a password of the user, in a time that tells nothing about which are."""
        if self.nopass:
            return True
        import hmac  # with OpenSSL behind it: only a server with a password pays for it

        given = sha256(password)
        former = self.former if time.monotonic() < self.former_until else []
        return any(hmac.compare_digest(given, known) for known in (*self.hashes, *former))

    def warn_of_placeholder(self) -> None:
        """Where the password is no secret: the text that the example has in place of one."""
        if self.hashes and sha256(encode(PLACEHOLDER)) in self.hashes:
            log("warning", "WARNING The password of the default user is the placeholder of deploy/k8s/secret.yaml, which everybody "
                           "can read: put a generated one in its place, such as 'openssl rand -hex 32' prints.")

    def line(self) -> str:
        """The user as a line of a configuration that Valkey and Redis read, too."""
        words = ["user default on", "nopass" if self.nopass else "",
                 "sanitize-payload" if self.sanitized else "skip-sanitize-payload",
                 *[f"#{known}" for known in self.hashes], "~* &* +@all"]
        return " ".join([word for word in words if word])

    def is_as_required(self, password: str) -> bool:
        """Whether requirepass with this password, or else requirepass-file, says all about the user."""
        if self.of_file and not self.stated:
            return True
        return self.sanitized and self.hashes == ([sha256(encode(password))] if password else [])

    def become(self, other: DefaultUser) -> None:
        """From now on be as this one: whoever knows the user sees the change."""
        self.__dict__.update(other.__dict__)

    # -- reading ------------------------------------------------------------------------------------------------------

    def read_directives(self, directives: Sequence[Directive]) -> None:
        for number, directive in enumerate(directives):
            name, rules = directive.arguments[1], directive.arguments[2:]
            if name != "default":
                raise directive.error(ONE_USER)
            try:
                if number:
                    raise RuleError("Duplicate user found. A user can only be defined once in config files")
                self.apply(rules)
            except RuleError as error:
                raise directive.error(f"Error in user declaration '{name}': {error}") from None
            except ValueError as error:
                raise directive.error(str(error)) from None

    def read_file(self, path: str) -> None:
        """An ACL file; without the default user in it there is no password, whatever requirepass says."""
        try:
            with open(path, "rb") as file:
                lines = decode(file.read()).split("\n")
        except OSError as error:
            raise fatal(f"Error loading ACLs, opening file '{path}': {error.strerror}") from None
        for number, line in enumerate(lines, 1):
            words = line.strip(" \t\r\n").split(" ")
            if words == [""]:
                continue
            if words[0] != "user" or len(words) < 2:
                raise fatal(f"{path}:{number} should start with user keyword followed by the username.")
            try:
                if words[1] == "default" and self.stated:
                    raise RuleError(f"WARNING: Duplicate user '{words[1]}' found on line {number}.")
                if words[1] != "default":
                    raise ValueError(ONE_USER)
                self.apply(words[2:])
            except ValueError as error:
                raise fatal(f"{path}:{number}: {error}") from None

    def apply(self, rules: Sequence[str]) -> None:
        """Take over what the rules of a user say, who begins with no rights. RuleError for what is no rule, ValueError
        for a user whom there can't be."""
        allowed = {"enabled": False, "keys": False, "channels": False, "commands": False, "sanitized": True}
        self.stated, self.nopass, self.hashes = True, False, []
        for rule in rules:
            if rule.lower() in ALLOWING:
                what, whether = ALLOWING[rule.lower()]
                allowed[what] = whether
            elif rule.lower() == "reset":
                self.nopass, self.hashes = False, []
                allowed = dict.fromkeys(allowed, False) | {"sanitized": True}
            elif rule and rule[0] in NARROWING:
                raise ValueError(ONE_USER)
            elif rule and rule.lower() != "clearselectors" and not self.apply_password(rule):
                raise RuleError("Syntax error", rule)
        self.sanitized = allowed.pop("sanitized")
        if not all(allowed.values()) or not (self.nopass or self.hashes):
            raise ValueError(ONE_USER)

    def apply_password(self, rule: str) -> bool:
        """A rule about passwords; False where this is none."""
        if rule.lower() in ("nopass", "resetpass"):
            self.nopass, self.hashes = rule.lower() == "nopass", []
            return True
        if rule[0] not in "><#!":
            return False
        known = sha256(encode(rule[1:])) if rule[0] in "><" else rule[1:]
        if len(known) != HASH_LENGTH or not HEX_DIGITS.issuperset(known):
            raise RuleError("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
                            rule)
        if rule[0] in ">#":
            self.nopass = False
            self.hashes += [known] if known not in self.hashes else []
        elif known in self.hashes:
            self.hashes.remove(known)
        else:
            raise RuleError("The password you are trying to remove from the user does not exist", rule)
        return True


def sha256(password: bytes) -> str:
    import hashlib  # only a server with a password pays for it

    return hashlib.sha256(password).hexdigest()
