// Token exchange: users of a real OIDC provider, an agent that is an ordinary OAuth client, and a real authority.
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, importPKCS8, jwtVerify } from 'jose'
import {
  PrivateKeyJwt,
  ResponseBodyError,
  allowInsecureRequests,
  genericTokenEndpointRequest,
  processGenericTokenEndpointResponse,
} from 'oauth4webapi'
import { TokenVerifier } from '@private.me/autogen/tokens'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authority } from './helpers/authority.ts'
import { provider, type Algorithm } from './helpers/provider.ts'
import { errorOf, valueOf } from './helpers/result.ts'

const AUDIENCE = 'https://api.example.com'
const TYPE = 'urn:ietf:params:oauth:token-type'

let own: Awaited<ReturnType<typeof authority>>
let users: Awaited<ReturnType<typeof provider>>
const dids = { alice: '', bob: '' }
const file = (name: string) => join(tmpdir(), `xbind-exchange-${process.pid}-${name}.json`)

beforeAll(async () => {
  own = await authority('read:*', 'pay.one')
  for (const who of ['alice', 'bob'] as const) {
    const agent = await own.agent(who)
    dids[who] = agent.getDID()
    agent.close()
  }
  users = await provider('authority', `${own.url}/oauth/backchannel-logout`)
  const entry = { issuer: users.url, audience: 'authority', client_id: 'app', algorithms: ['RS256', 'ES256', 'EdDSA'] }
  writeFileSync(file('issuers'), JSON.stringify({ issuers: [entry] }))
  await own.serve('--issuers', file('issuers'))
  const scopes = { read: ['read:*'], pay: ['pay.*'] }
  writeFileSync(file('policy'), JSON.stringify({ issuers: [{ issuer: users.url, scopes }] }))
  await own.xbind('exchange', 'set', file('policy'))
}, 60_000)
afterAll(async () => {
  await users.stop()
  await own.stop()
  for (const name of ['issuers', 'policy']) rmSync(file(name))
})

async function exchange(who: 'alice' | 'bob', token: string, more: Record<string, string> = {}) {
  const server = { issuer: own.url, token_endpoint: `${own.url}/oauth/token` }
  const client = { client_id: dids[who] }
  const key = await importPKCS8(own.key(who), 'EdDSA')
  const asked = { subject_token: token, subject_token_type: `${TYPE}:access_token`, audience: AUDIENCE, ...more }
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const options = { [allowInsecureRequests]: true }
  const auth = PrivateKeyJwt(key)
  const response = await genericTokenEndpointRequest(
    server,
    client,
    auth,
    grant,
    { scope: 'read:x', ...asked },
    options,
  )
  return processGenericTokenEndpointResponse(server, client, response)
}

/** One that has fetched nothing yet. */
const verifier = () =>
  new TokenVerifier({
    audience: AUDIENCE,
    trust: [own.did],
    revocations: own.revocations(),
  })
const refused = (asked: Promise<unknown>) =>
  asked.then(
    () => 'given',
    (error: unknown) => (error instanceof ResponseBodyError ? error.error : String(error)),
  )

test.for<Algorithm>(['RS256', 'ES256', 'EdDSA'])(
  'a user signs in, and an agent acts for him (%s)',
  async (algorithm) => {
    const user = await users.signIn('carol', algorithm)
    expect(decodeJwt(user.access_token)).toMatchObject({ sub: 'carol', aud: 'authority', scope: 'pay read' })
    const given = await exchange('alice', user.access_token, { scope: 'read:x pay.one' })
    expect(given).toMatchObject({
      issued_token_type: `${TYPE}:access_token`,
      token_type: 'bearer',
      scope: 'read:x pay.one',
    })
    expect(given.expires_in).toBeLessThanOrEqual(600)
    const keys = createRemoteJWKSet(new URL(`${own.url}/.well-known/jwks.json`))
    const { payload } = await jwtVerify(given.access_token, keys, {
      audience: AUDIENCE,
      issuer: own.did,
      typ: 'at+jwt',
    })
    expect(payload).toMatchObject({
      sub: 'carol',
      act: { sub: dids.alice },
      sub_id: { format: 'iss_sub', iss: users.url, sub: 'carol' },
      scope: 'read:x pay.one',
    })
    const presented = { presenter: dids.alice, scopes: ['pay.one'] }
    expect(valueOf(await verifier().verify(given.access_token, presented))).toMatchObject({
      subject: dids.alice,
      onBehalfOf: { issuer: users.url, subject: 'carol' },
    })
    expect(await own.status(given.access_token)).toBe('active')
  },
)

test('no exchange gives more than the user has', async () => {
  const reader = await users.signIn('dave', 'RS256', 'openid read')
  expect(await refused(exchange('alice', reader.access_token, { scope: 'pay.one' }))).toBe('invalid_scope')
  expect(await refused(exchange('alice', reader.access_token, { scope: '' }))).toBe('invalid_scope')
  expect(await refused(exchange('alice', reader.access_token, { scope: 'read:x admin' }))).toBe('invalid_scope')
  const idToken = { subject_token_type: `${TYPE}:id_token` }
  expect(await refused(exchange('alice', reader.id_token, idToken))).toBe('invalid_request') // for the app alone
  expect(await refused(exchange('alice', reader.id_token))).toBe('invalid_request')
  const given = await exchange('alice', reader.access_token)
  expect(await refused(exchange('alice', given.access_token))).toBe('invalid_request')
  expect(await refused(exchange('bob', reader.access_token))).toBe('given')
})

test('who signs out takes along what agents were given, at once', async () => {
  const [erin, frank] = [await users.signIn('erin', 'ES256'), await users.signIn('frank', 'ES256')]
  const given = [await exchange('alice', erin.access_token), await exchange('bob', erin.access_token)]
  const other = await exchange('alice', frank.access_token)
  await erin.signOut()
  await expect.poll(() => users.ended, { timeout: 30_000 }).toContain('erin')
  expect(users.failures).toEqual([])
  for (const { access_token: token } of given) {
    expect(await own.status(token)).toBe('revoked')
    expect(errorOf(await verifier().verify(token)).code).toBe('REVOKED')
  }
  expect(await own.status(other.access_token)).toBe('active')
  expect(await refused(exchange('alice', erin.access_token))).toBe('invalid_request')
  expect(await refused(exchange('alice', frank.access_token))).toBe('given')
})
