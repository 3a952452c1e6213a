// What stands around the agents: whom users sign in at, an authority, servers of models, the gateway. Authority and gateway are
// processes of their own, as an operator runs them.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LLMock } from '@copilotkit/aimock'
import { Identity } from '@private.me/autogen'
import { valueOf } from '../server.mjs'

const program = fileURLToPath(new URL('cli.cjs', import.meta.resolve('@private.me/autogen')))
const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
const write = (name, value) => {
  writeFileSync(join(folder, name), JSON.stringify(value), { mode: 0o600 })
  return join(folder, name)
}

/** A command that runs until it is stopped, and what it says first. */
async function running(args, env = {}) {
  const options = { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } }
  const child = spawn(process.execPath, [program, ...args, '--json', '--quiet'], options)
  children.add(child)
  const ended = new Promise((resolve) => child.once('close', resolve))
  const said = await new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', resolve)
    child.once('close', (code) => reject(new Error(`xbind ${args.join(' ')}: ${code}`)))
  })
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal)
    await ended
    children.delete(child)
  }
  return { ...JSON.parse(said), stop }
}

/** A command that ends, and what it says. */
async function xbind(...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args, '--json', '--quiet'])
  return JSON.parse(stdout)
}

async function listening(answer) {
  const server = createServer(answer)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${server.address().port}`, stop }
}

/** A JWT by an Ed25519 key. */
function jwt(header, claims, key) {
  const now = Math.floor(Date.now() / 1000)
  const parts = [
    { alg: 'EdDSA', ...header },
    { iat: now, exp: now + 300, jti: randomUUID(), ...claims },
  ]
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

/** An OIDC issuer after its users have signed in: it publishes its keys, and gives them tokens. */
export async function issuer() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: '1', alg: 'EdDSA', use: 'sig' }]
  const { url, stop } = await listening(({ url: path }, response) => {
    const said = path === '/jwks' ? { keys } : { issuer: url, jwks_uri: `${url}/jwks` }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(said))
  })
  const kid = { kid: '1', typ: 'at+jwt' }
  const tokenOf = (sub, scope) => jwt(kid, { iss: url, aud: 'authority', sub, scope }, privateKey)
  return { url, tokenOf, stop }
}

/** An authority whose operator has an agent, `alice`, who may act for users of that issuer: what each of their scopes gives. */
export async function authority(users, scopes) {
  const dir = join(folder, 'dev')
  const granted = Object.values(scopes).flat()
  const dev = await running(['dev', '--dir', dir, ...granted.flatMap((scope) => ['--scopes', scope])])
  await dev.stop('SIGKILL') // all of it stays, and is served with an issuer of users' tokens
  const issuers = [{ issuer: users, audience: 'authority', algorithms: ['EdDSA'] }]
  const at = ['--listen', new URL(dev.url).host, '--url', dev.url, '--data', join(dir, 'authority')]
  const { url, did, stop } = await running([
    'authority',
    'serve',
    ...at,
    '--issuers',
    write('issuers.json', { issuers }),
  ])
  await xbind('exchange', 'set', write('exchange.json', { issuers: [{ issuer: users, scopes }] }), '--dir', dir)
  const pem = readFileSync(join(dir, 'profiles/alice/keys/agent.key'), 'utf8')
  const alice = valueOf(Identity.fromPKCS8(pem))

  /** A user's token becomes one of alice's, for one audience (RFC 8693). */
  async function exchange(token, scope, audience) {
    const type = 'urn:ietf:params:oauth'
    const assertion = jwt({}, { iss: alice.did, sub: alice.did, aud: url }, createPrivateKey(pem))
    const form = {
      grant_type: `${type}:grant-type:token-exchange`,
      subject_token: token,
      subject_token_type: `${type}:token-type:access_token`,
      client_assertion_type: `${type}:client-assertion-type:jwt-bearer`,
      client_assertion: assertion,
      scope,
      audience,
    }
    const response = await fetch(`${url}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) })
    const said = await response.json()
    assert.ok(response.ok, JSON.stringify(said))
    return said.access_token
  }
  return { url, did, alice, exchange, stop }
}

/** A server of all kinds of models, which wants a key of its own and tells what each answer took. */
export async function models(key) {
  const server = new LLMock({ port: 0, host: '127.0.0.1', strict: true, auth: { apiKeys: [key] } })
  const took = (input, output) => ({
    usage: { prompt_tokens: input, completion_tokens: output, input_tokens: input, output_tokens: output },
  })
  server.onToolResult('call_1', { content: 'A did:key spells a public key.', ...took(60, 12) })
  const call = { id: 'call_1', name: 'search', arguments: '{"about":"did:key"}' }
  server.onMessage('What is did:key?', { toolCalls: [call], ...took(40, 8) })
  server.onMessage('Write of it', { content: 'It needs no registry, and cannot be changed.', ...took(50, 10) })
  server.onMessage('Is it good?', { content: 'It is short.', id: '1', created: 1, ...took(30, 5) })
  await server.start()
  return server
}

/** One that embeds, or else begins to answer and goes on for ever; `left` is fulfilled when nobody listens to it any more. */
export async function endless() {
  let leave
  const left = new Promise((resolve) => (leave = resolve))
  const chunk = { object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'and so on ' } }] }
  const data = [{ object: 'embedding', index: 0, embedding: [0.25, -0.5] }]
  const embedded = { object: 'list', model: 'embed', data, usage: { prompt_tokens: 9, total_tokens: 9 } }
  const server = await listening(({ url }, response) => {
    if (url === '/v1/embeddings') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(embedded))
    } else {
      response.on('close', leave).setHeader('content-type', 'text/event-stream')
      response.write(`data: ${JSON.stringify(chunk)}\n\n`)
    }
  })
  return { ...server, left }
}

/** The gateway, its log, and what its operator is told of what was used. */
export async function gateway(config, env) {
  const file = write('gateway.json', { data: 'gateway', ...config })
  const served = await running(['gateway', 'serve', '--config', file], env)
  const usage = (by) => xbind('gateway', 'usage', '--config', file, '--by', by)
  return { ...served, usage, log: join(folder, 'gateway/audit.jsonl') }
}
