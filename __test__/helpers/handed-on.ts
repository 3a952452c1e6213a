// A token that was handed on once.
import { delegateToken, issueToken } from '@private.me/autogen/tokens'
import { valueOf } from './result.ts'
import { AUDIENCE, claimsIn, NOW, seeded } from './rights.ts'

export const [operator, agent, worker] = [seeded(1), seeded(2), seeded(3)]
export const root = valueOf(issueToken(operator, { subject: agent.did, audience: AUDIENCE, scopes: ['a.*'], now: NOW }))
export const link = valueOf(delegateToken(agent, root, { subject: worker.did, scopes: ['a.b'], now: NOW + 5 }))
export const [rootId, linkId] = [root, link].map((token) => String(claimsIn(token).jti)) as [string, string]
