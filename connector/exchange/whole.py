"""What a plain asset carries beside its agreement: the words that mark it, and the secrets its source wants."""

from __future__ import annotations

import json
from collections.abc import Mapping

from connector.errors import SaltbridgeError
from connector.ports import Transaction, World
from connector.records import Asset, Secret
from connector.seal import unseal

WHOLE = "whole asset, no attribute grant"  # how a plain asset is marked wherever it is shown


def about(asset: str) -> str:
    """What an asset's sealed fields are bound to."""
    return f"asset/{asset}"


def about_secret(id: str) -> str:
    """What a secret's sealed value is bound to."""
    return f"secret/{id}"


async def secrets_of(world: World, tx: Transaction, asset: Asset) -> Mapping[str, str]:
    """The secret fields of an asset's address, the one it names in the secrets store (`secretName`) as `authCode`.

    SaltbridgeError when one cannot be read; its text is for the operator only.
    """
    fields: dict[str, str] = json.loads(unseal(world.secret, about(asset.id), asset.sealed)) if asset.sealed else {}
    named = str(asset.data_address.get("secretName", ""))
    if named:
        secret = await tx.get(Secret, named)
        if secret is None:
            raise SaltbridgeError(f"The asset {asset.id} names a secret {named}, which is not here.", code="secret.missing")
        fields["authCode"] = unseal(world.secret, about_secret(named), secret.sealed)
    return fields
