// Status lists, signed and forged, and the tokens that name them.
import { issueToken, StatusList } from '@private.me/autogen/tokens'
import { deflateSync } from 'node:zlib'
import { b64u, type Members } from './jws.ts'
import { valueOf } from './result.ts'
import { AUDIENCE, forger, NOW, seeded } from './rights.ts'

export const [operator, agent, worker] = [seeded(1), seeded(2), seeded(3)]
export const forgery = forger(1)
export const uri = 'https://status.example/lists/1'
export const token = (index = 7, at = uri): string =>
  valueOf(
    issueToken(operator, {
      subject: agent.did,
      audience: AUDIENCE,
      scopes: ['a.*'],
      status: { index, uri: at },
      ttlSeconds: 80_000,
      now: NOW,
    }),
  )

export function published(
  revoked: number[] = [],
  options: { lifetimeSeconds?: number; ttlSeconds?: number; now?: number } = {},
): string {
  const list = new StatusList({ size: 100 })
  for (const index of revoked) valueOf(list.set(index, StatusList.INVALID))
  return valueOf(list.sign(operator, { uri, now: NOW, ...options }))
}

/** A list by hand: its claims may say anything. */
export function forged(claims: Members = {}, header: Members = {}, by = forgery): string {
  const list = { bits: 1, lst: b64u(deflateSync(new Uint8Array(16))) }
  const said = { iss: by.did, sub: uri, iat: NOW, exp: NOW + 3600, status_list: list, ...claims }
  return by.sign(by.header({ typ: 'statuslist+jwt', ...header }), said)
}
