// Tokens, links, lists and rotations of this package read by others, and theirs read here.
import { type Identity } from '@private.me/autogen'
import { delegateToken, issueToken, signRotation, StatusList, StatusListSource } from '@private.me/autogen/tokens'
import {
  compactVerify,
  createLocalJWKSet,
  generalVerify,
  importJWK,
  importPKCS8,
  jwtVerify,
  SignJWT,
  type GeneralJWS,
} from 'jose'
import { inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { java, pyjwt } from './helpers/elsewhere.ts'
import { b64u } from './helpers/jws.ts'
import { codeOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, claimsIn, freshId, NOW, seeded, trusting } from './helpers/rights.ts'

const [operator, agent, worker] = [seeded(1), seeded(2), seeded(3)]
const kidOf = ({ did }: Identity): string => `${did}#${did.slice(8)}`
const token = valueOf(
  issueToken(operator, {
    subject: agent.did,
    audience: AUDIENCE,
    scopes: ['invoice.*'],
    claims: { team: 'x' },
    now: NOW,
  }),
)
const link = valueOf(delegateToken(agent, token, { subject: worker.did, scopes: ['invoice.read'], now: NOW }))
/** What another library signs, in the claims of the format. */
const claims = (by: Identity) => ({
  iss: by.did,
  sub: agent.did,
  aud: AUDIENCE,
  client_id: agent.did,
  iat: NOW,
  exp: NOW + 3600,
  jti: freshId(),
  scope: 'invoice.read',
})
const pem = (identity: Identity): string => valueOf(identity.toPKCS8({ format: 'pem' }))

describe('jose', () => {
  const at = { currentDate: new Date(NOW * 1000) }

  test('verifies a token', async () => {
    const key = await importJWK({ ...operator.toJWK() })
    const options = {
      ...at,
      typ: 'at+jwt',
      audience: AUDIENCE,
      issuer: operator.did,
      requiredClaims: ['client_id', 'jti'],
    }
    const { payload, protectedHeader } = await jwtVerify(token, key, options)
    expect(payload).toMatchObject({ sub: agent.did, scope: 'invoice.*', team: 'x', exp: NOW + 3600 })
    expect(protectedHeader.alg).toBe('EdDSA')
    await expect(jwtVerify(token, key, { ...options, audience: 'other' })).rejects.toThrow('aud')
    await expect(jwtVerify(token, await importJWK({ ...agent.toJWK() }), options)).rejects.toThrow('signature')
  })

  test('finds the key in a JWK set of identities', async () => {
    const set = createLocalJWKSet({ keys: [agent, operator].map((identity) => ({ ...identity.toJWK() })) })
    expect((await jwtVerify(token, set, at)).payload.iss).toBe(operator.did)
    expect((await jwtVerify(link, set, at)).payload.iss).toBe(agent.did)
  })

  test('verifies a delegation link by link', async () => {
    const { payload } = await jwtVerify(link, await importJWK({ ...agent.toJWK() }), { ...at, typ: 'agent-deleg+jwt' })
    expect(payload.act).toEqual({ sub: worker.did, act: { sub: agent.did } })
    const parent = await jwtVerify(String(payload.prf), await importJWK({ ...operator.toJWK() }), at)
    expect(parent.payload.sub).toBe(payload.iss)
  })

  test('verifies a status list, and zlib inflates it', async () => {
    const list = new StatusList({ size: 64, bits: 2 })
    valueOf(list.set(9, 2))
    const jws = valueOf(list.sign(operator, { uri: 'https://status.example', now: NOW }))
    const { payload } = await compactVerify(jws, await importJWK({ ...operator.toJWK() }))
    const said = JSON.parse(new TextDecoder().decode(payload)) as { status_list: { bits: number; lst: string } }
    const bytes = inflateSync(Buffer.from(said.status_list.lst, 'base64url'))
    expect([bytes.length, (bytes[2]! >> 2) & 3]).toEqual([16, 2])
  })

  test('verifies both signatures of a rotation', async () => {
    const statement = JSON.parse(valueOf(signRotation(agent, worker, { now: NOW }))) as GeneralJWS
    for (const [i, identity] of [agent, worker].entries()) {
      const one = { ...statement, signatures: [statement.signatures[i]!] }
      const { payload } = await generalVerify(one, await importJWK({ ...identity.toJWK() }))
      expect(JSON.parse(new TextDecoder().decode(payload))).toMatchObject({ iss: agent.did, sub: worker.did })
    }
  })

  test.each(['EdDSA', 'Ed25519'])('signs a token with alg %s that is accepted here', async (alg) => {
    const key = await importPKCS8(pem(operator), alg)
    const signed = await new SignJWT(claims(operator))
      .setProtectedHeader({ alg, kid: kidOf(operator), typ: 'at+jwt' })
      .sign(key)
    expect(valueOf(trusting([operator.did]).verifySync(signed)).scopes).toEqual(['invoice.read'])
    const handedOn = valueOf(delegateToken(agent, signed, { subject: worker.did, now: NOW }))
    expect(codeOf(trusting([operator.did]).verifySync(handedOn))).toBe('ok')
  })

  test('signs a link that is accepted here', async () => {
    const act = { sub: worker.did, act: { sub: agent.did } }
    const { client_id: _, ...said } = { ...claims(agent), sub: worker.did, act, prf: token }
    const key = await importPKCS8(pem(agent), 'EdDSA')
    const header = { alg: 'EdDSA', kid: kidOf(agent), typ: 'agent-deleg+jwt' }
    const signed = await new SignJWT(said).setProtectedHeader(header).sign(key)
    expect(valueOf(trusting([operator.did]).verifySync(signed)).chain).toEqual(
      [operator, agent, worker].map(({ did }) => did),
    )
  })

  test('signs a status list that is accepted here', async () => {
    const uri = 'https://status.example'
    // The example of the draft, section "Compressed Byte Array": 16 statuses of one bit.
    const said = { sub: uri, iat: NOW, exp: NOW + 60, status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ' } }
    const header = { alg: 'EdDSA', kid: kidOf(operator), typ: 'statuslist+jwt' }
    const signed = await new SignJWT(said).setProtectedHeader(header).sign(await importPKCS8(pem(operator), 'EdDSA'))
    const source = new StatusListSource({ offline: true, now: () => NOW })
    valueOf(source.put(signed))
    const statuses = Array.from({ length: 16 }, (_, index) => {
      const answer = source.statusOf(operator.did, { index, uri })
      return answer.evidence === 'fresh' ? answer.status : answer.evidence
    })
    expect(statuses).toEqual([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1])
  })
})

if (pyjwt) {
  const run = pyjwt
  describe('PyJWT', () => {
    test('verifies a token, and refuses it for another audience', () => {
      const program = `
import json, sys, jwt
key = jwt.PyJWK.from_json(sys.argv[2])
options = {"verify_exp": False, "verify_iat": False}
print(json.dumps(jwt.decode(sys.argv[1], key, algorithms=["EdDSA"], audience=sys.argv[3], options=options)))
try:
    jwt.decode(sys.argv[1], key, algorithms=["EdDSA"], audience="other", options=options)
except jwt.InvalidAudienceError:
    print("refused")
`
      const [said = '', refused] = run(program, [token, JSON.stringify(operator.toJWK()), AUDIENCE]).split('\n')
      expect(JSON.parse(said)).toEqual(claimsIn(token))
      expect(refused).toBe('refused')
    })

    test('signs a token that is accepted here', () => {
      const program = `
import json, sys, jwt
print(jwt.encode(json.loads(sys.argv[1]), sys.argv[2], algorithm="EdDSA", headers=json.loads(sys.argv[3])))
`
      const header = JSON.stringify({ kid: kidOf(operator), typ: 'at+jwt' })
      const signed = run(program, [JSON.stringify(claims(operator)), pem(operator), header])
      expect(valueOf(trusting([operator.did]).verifySync(signed)).scopes).toEqual(['invoice.read'])
    })

    test('signs a token of an issuer that is known by the JWK set that PyJWT writes', () => {
      const program = `
import json, sys, jwt
from jwt.algorithms import OKPAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key = Ed25519PrivateKey.generate()
jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "py", "use": "sig"}
token = jwt.encode(json.loads(sys.argv[1]), key, algorithm="EdDSA", headers={"kid": "py", "typ": "at+jwt"})
print(json.dumps({"jwks": {"keys": [jwk]}, "token": token}))
`
      const issuer = 'https://login.example'
      const said = JSON.stringify({ ...claims(operator), iss: issuer })
      const made = JSON.parse(run(program, [said])) as { jwks: { keys: object[] }; token: string }
      expect(codeOf(trusting([{ issuer, jwks: made.jwks }]).verifySync(made.token))).toBe('ok')
    })
  })
}

if (java) {
  const run = java
  // The JDK has Ed25519, but no JWT: the format is simple enough to be read with it alone.
  const program = `
import java.math.BigInteger;
import java.security.*;
import java.security.spec.*;
import java.util.Base64;

class Main {
    static byte[] decode(String text) { return Base64.getUrlDecoder().decode(text); }

    static PublicKey publicKey(String x) throws Exception {
        byte[] little = decode(x), big = new byte[32];
        boolean odd = (little[31] & 0x80) != 0;
        for (int i = 0; i < 32; i++) big[31 - i] = i == 31 ? (byte) (little[i] & 0x7f) : little[i];
        var point = new EdECPoint(odd, new BigInteger(1, big));
        return KeyFactory.getInstance("Ed25519").generatePublic(new EdECPublicKeySpec(NamedParameterSpec.ED25519, point));
    }

    public static void main(String[] args) throws Exception {
        var verify = Signature.getInstance("Ed25519");
        verify.initVerify(publicKey(args[0]));
        int dot = args[1].lastIndexOf('.');
        verify.update(args[1].substring(0, dot).getBytes("US-ASCII"));
        System.out.println(verify.verify(decode(args[1].substring(dot + 1))));

        var key = KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(decode(args[2])));
        var sign = Signature.getInstance("Ed25519");
        sign.initSign(key);
        sign.update(args[3].getBytes("US-ASCII"));
        System.out.println(args[3] + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(sign.sign()));
    }
}
`
  test('Java verifies a token, and signs one that is accepted here', () => {
    const header = { alg: 'EdDSA', kid: kidOf(operator), typ: 'at+jwt' }
    const input = [header, claims(operator)].map((part) => b64u(JSON.stringify(part))).join('.')
    const der = b64u(valueOf(operator.toPKCS8()))
    const [verdict, signed = ''] = run(program, [operator.toJWK().x, token, der, input]).split('\n')
    expect(verdict).toBe('true')
    expect(codeOf(trusting([operator.did]).verifySync(signed))).toBe('ok')
  })
}
