// Reads what a server asks an auth callout, by docs/nats.md ("Getting in") alone.
import {
  base64url,
  isSignedByNKey,
  isWhole,
  must,
  readNKey,
  readStatement,
  Refused,
  strictObject,
  type Claims,
} from './nats-statements'

/** By what a request is read. */
export interface Asked {
  readonly namespace: string
  readonly account: string
  readonly now: number
  readonly skew: number
  /** Statements that were used before. */
  readonly used: Set<string>
}

/** What it says, by the names of the vectors; or where it fails, and with which code. */
export function readRequest(text: string, asked: Asked): object | readonly [string, string] {
  let at = 'verify'
  try {
    const nats = verified(text, asked)
    at = 'admit'
    const { server_id: server, user_nkey: user } = nats as { server_id: Claims; user_nkey: string }
    return { server: server['id'], user, connection: admitted(nats, asked) }
  } catch (error) {
    if (error instanceof Refused) return [at, error.message]
    throw error
  }
}

/** What is in a JWT of NATS that this key has signed, with its header. */
export function readSigned(text: string, key: (claims: Claims) => unknown, read = strictObject): Claims {
  const segments = text.split('.')
  must(segments.length === 3)
  const [head, payload, signature] = segments.map(base64url)
  const { typ, alg, ...more } = strictObject(head)
  must(typ === 'JWT' && alg === 'ed25519-nkey' && Object.keys(more).length === 0)
  const claims = read(payload)
  const signer = key(claims)
  must(typeof signer === 'string')
  must(isSignedByNKey(signer, Buffer.from(text.slice(0, text.lastIndexOf('.'))), signature))
  return claims
}

const object = (value: unknown): Claims => {
  must(typeof value === 'object' && value !== null && !Array.isArray(value))
  return value as Claims
}

/** A member that may be left out. */
function textIn(claims: Claims, name: string): string | undefined {
  const value = claims[name]
  must(value === undefined || typeof value === 'string')
  return value
}

/** Checks 1 to 5. */
function verified(text: string, { account, now, skew }: Asked): Claims {
  must(Buffer.byteLength(text) <= 65_536)
  let nats: Claims = {}
  readSigned(text, (claims) => {
    must(depth(String(base64url(text.split('.')[1] ?? ''))) <= 16)
    nats = object(claims['nats'])
    const { iss, sub, aud, iat, exp } = claims
    const [server, info, options] = ['server_id', 'client_info', 'connect_opts'].map((name) => object(nats[name]))
    must(nats['type'] === 'authorization_request' && nats['version'] === 2 && aud === 'nats-authorization-request')
    for (const name of ['auth_token', 'nkey', 'sig']) textIn(options!, name)
    textIn(info!, 'nonce')
    textIn(server!, 'xkey')
    must(typeof iss === 'string' && iss === server!['id'] && typeof sub === 'string')
    must(isWhole(iat) && isWhole(exp) && iat < exp && exp - iat <= 300)
    const user = nats['user_nkey']
    must(readNKey(iss)?.[0] === 'server' && typeof user === 'string' && readNKey(user)?.[0] === 'user')
    must(sub === account, 'WRONG_AUDIENCE')
    must(iat <= now + skew, 'TOKEN_NOT_YET_VALID')
    must(now < exp + skew, 'TOKEN_EXPIRED')
    return iss
  })
  return nats
}

/** Checks 6 to 9. */
function admitted(nats: Claims, { namespace, now, skew, used }: Asked): object {
  const [options, info] = [object(nats['connect_opts']), object(nats['client_info'])]
  const token = textIn(options, 'auth_token')
  must(token !== undefined)
  const connection = readStatement('connection', token, { namespace, now, skew, operators: [] })
  if (typeof connection === 'string') throw new Refused(connection)
  const { agent, id, nkey } = connection as { agent: string; id: string; nkey: string }
  must(textIn(options, 'nkey') === nkey)
  const [nonce, signature] = [textIn(info, 'nonce') ?? '', base64url(textIn(options, 'sig') ?? '')]
  must(nonce !== '' && isSignedByNKey(nkey, Buffer.from(nonce), signature), 'INVALID_SIGNATURE')
  must(!used.has(`${agent} ${id}`), 'REPLAYED')
  used.add(`${agent} ${id}`)
  return connection
}

function depth(text: string): number {
  let [deepest, now] = [0, 0]
  for (const [each] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (each === '{' || each === '[') now += 1
    if (each === '}' || each === ']') now -= 1
    deepest = Math.max(deepest, now)
  }
  return deepest
}
