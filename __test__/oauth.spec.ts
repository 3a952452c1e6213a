// An authority as an OAuth library sees it: oauth4webapi, with the key of an agent, against a real one in another process.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Identity, publicKeyToDID } from '@private.me/autogen'
import { TokenVerifier } from '@private.me/autogen/tokens'
import { authority } from './helpers/authority.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const AUDIENCE = 'https://api.example.com'
const insecure = { [oauth.allowInsecureRequests]: true }

let own: Awaited<ReturnType<typeof authority>>
let server: oauth.AuthorizationServer
beforeAll(async () => {
  own = await authority('read:payments', 'write:payments')
  const issuer = new URL(own.url)
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  server = await oauth.processDiscoveryResponse(issuer, response)
}, 60_000)
afterAll(() => own.stop())

/** An agent's key as WebCrypto has it, and the client that it proves. */
async function agent(who: 'alice' | 'bob') {
  const key = createPrivateKey(own.key(who))
  const privateKey = await crypto.subtle.importKey(
    'pkcs8',
    key.export({ format: 'der', type: 'pkcs8' }),
    'Ed25519',
    false,
    ['sign'],
  )
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: x! }
  const publicKey = await crypto.subtle.importKey('jwk', jwk, 'Ed25519', true, ['verify'])
  const did = valueOf(publicKeyToDID(Buffer.from(x!, 'base64url')))
  const client: oauth.Client = { client_id: did }
  return { did, client, keys: { privateKey, publicKey }, auth: oauth.PrivateKeyJwt(privateKey) }
}
type Agent = Awaited<ReturnType<typeof agent>>

const asked = { scope: 'read:payments', resource: AUDIENCE }

async function token({ client, auth }: Agent, parameters: Record<string, string> = asked, DPoP?: oauth.DPoPHandle) {
  const options = { ...insecure, ...(DPoP && { DPoP }) }
  const response = await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, options)
  return oauth.processClientCredentialsResponse(server, client, response)
}

async function introspected({ client, auth }: Agent, text: string) {
  const response = await oauth.introspectionRequest(server, client, auth, text, insecure)
  return oauth.processIntrospectionResponse(server, client, response)
}

const errorOf = (asking: Promise<unknown>) =>
  asking.then(
    () => 'none',
    (error: unknown) => (error instanceof oauth.ResponseBodyError ? `${error.error} ${error.status}` : String(error)),
  )

/** Of tokens of this authority, for the audience. */
const verifier = () =>
  new TokenVerifier({
    audience: AUDIENCE,
    trust: [own.did],
    revocations: own.revocations(),
  })

test('what it says of itself', () => {
  expect(server).toMatchObject({
    issuer: own.url,
    token_endpoint: `${own.url}/oauth/token`,
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    dpop_signing_alg_values_supported: ['EdDSA', 'Ed25519'],
  })
})

test('a client gets a token, which is the same as any other', async () => {
  const alice = await agent('alice')
  const given = await token(alice)
  expect(given).toMatchObject({ token_type: 'bearer', expires_in: 3600, scope: 'read:payments' })
  const claims = valueOf(
    await verifier().verify(given.access_token, { scopes: ['read:payments'], presenter: alice.did }),
  )
  expect(claims).toMatchObject({ issuer: own.did, subject: alice.did, audience: AUDIENCE })
  expect(claims.onBehalfOf).toBeUndefined()
  expect(claims.claims).toMatchObject({ operator_id: own.operator.id })
})

test('a token that is bound to a key counts for whoever proves it', async () => {
  const alice = await agent('alice')
  const given = await token(alice, asked, oauth.DPoP(alice.client, alice.keys))
  expect(given.token_type).toBe('dpop')
  const verify = async (demands: { presenter?: string }) => codeOf(await verifier().verify(given.access_token, demands))
  expect(await verify({ presenter: alice.did })).toBe('ok')
  expect(await verify({})).toBe('INVALID_TOKEN')
  expect(await verify({ presenter: (await agent('bob')).did })).toBe('INVALID_TOKEN')
  const told = await introspected(alice, given.access_token)
  expect(told).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: expect.any(String) as string } })
  // With a key of its own choice the library would be asked for nothing.
  const other = await oauth.generateKeyPair('Ed25519')
  expect(await errorOf(token(alice, asked, oauth.DPoP(alice.client, other)))).toBe('invalid_dpop_proof 400')
})

test('what is refused has the codes of OAuth', async () => {
  const [alice, bob] = [await agent('alice'), await agent('bob')]
  expect(await errorOf(token(alice, { ...asked, scope: 'admin:all' }))).toBe('invalid_scope 400')
  expect(await errorOf(token(alice, { scope: asked.scope }))).toBe('invalid_target 400')
  expect(await errorOf(token({ ...alice, auth: bob.auth }))).toBe('invalid_client 401')
  expect(await errorOf(token({ ...alice, client: { client_id: Identity.generate().did } }))).toBe('invalid_client 401')
  const response = await oauth.genericTokenEndpointRequest(server, alice.client, alice.auth, 'password', {}, insecure)
  const asking = oauth.processGenericTokenEndpointResponse(server, alice.client, response)
  expect(await errorOf(asking)).toBe('unsupported_grant_type 400')
})

test('a token is asked about and taken back', async () => {
  const [alice, bob] = [await agent('alice'), await agent('bob')]
  const { access_token: text } = await token(alice)
  expect(await introspected(alice, text)).toMatchObject({ active: true, client_id: alice.did, scope: asked.scope })
  expect((await introspected(bob, text)).active).toBe(true) // of the same operator
  const revoked = async ({ client, auth }: Agent) => {
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, text, insecure))
  }
  expect(await errorOf(revoked(bob))).toBe('unauthorized_client 400')
  expect((await introspected(alice, text)).active).toBe(true)
  await revoked(alice)
  expect(await introspected(alice, text)).toEqual({ active: false })
  expect(codeOf(await verifier().verify(text, { presenter: alice.did }))).toBe('REVOKED')
})
