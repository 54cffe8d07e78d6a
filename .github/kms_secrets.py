"""Secrets of Hanzo KMS, as outputs of a workflow's step that no log shows.

    python .github/kms_secrets.py /ci DOCKERHUB_USERNAME DOCKERHUB_TOKEN

Each NAME is read from the path, and is then ${{ steps.ID.outputs.NAME }}. The environment has KMS_CLIENT_ID and KMS_CLIENT_SECRET,
and where it is another KMS than ours HANZO_KMS_URL, HANZO_KMS_ORG, ... (sdk/README.md). Both wire forms are spoken, by the
package of sdk/python. The exit status is 1, and nothing is given out, where one of the secrets can't be had.
"""
from __future__ import annotations

import os
import sys
import uuid
from dataclasses import replace

from hanzo_kv.config import ConfigError, KMSConfig
from hanzo_kv.kms import KMS, KMSError


def main() -> int:
    path, *names = sys.argv[1:]
    try:
        config = KMSConfig.from_env()
        if config is None:
            print("kms_secrets.py: KMS_CLIENT_ID and KMS_CLIENT_SECRET are not set", file=sys.stderr)
            return 1
        secrets = {name: KMS(replace(config, path=path, name=name)).password() for name in names}
    except (ConfigError, KMSError) as error:
        print(f"kms_secrets.py: {error}", file=sys.stderr)
        return 1
    for value in secrets.values():
        for line in value.splitlines():
            if line.strip():
                print(f"::add-mask::{escape(line)}")
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        for name, value in secrets.items():
            end = uuid.uuid4().hex      # no secret has it as a line of its own
            file.write(f"{name}<<{end}\n{value}\n{end}\n")
    return 0


def escape(text: str) -> str:
    """As the runner reads what a command is given."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
