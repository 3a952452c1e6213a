"""What the tests of logs have in common."""

from private_me import AuditLog, Identity, XBindError

SIGNER = Identity()


def code_of(ask) -> str:
    try:
        ask()
    except XBindError as error:
        return error.code
    return "ok"


async def code(asked) -> str:
    try:
        await asked
    except XBindError as error:
        return error.code
    return "ok"


async def outcomes(log: AuditLog) -> list[str]:
    await log.flush()
    return [" ".join(filter(None, (each.event, each.outcome, each.code))) for each in await log.query()]
