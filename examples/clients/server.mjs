// What the examples share: a server on loopback that lets in whoever signs and may.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { RequestVerifier, signResponse } from '@private.me/autogen/http'

export const show = (what, value) => console.log(`${what.padEnd(27)}${value}`)
export const valueOf = (result) => (result.ok ? result.value : assert.fail(result.error))

/**
 * Answers verified requests with `answer(verified, request)`: who asks and with which rights, and a fetch Request of the bytes
 * that were verified. Others get 401 and the code. `signer` signs the answers; what `open` answers, anybody may ask.
 */
export async function serve({ signer, open = () => undefined, ...options }, answer) {
  let verifier
  const server = createServer(async (incoming, outgoing) => {
    const { method, url, headers } = incoming
    const response = open(incoming) ?? (await verified())
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    if (response.body)
      Readable.fromWeb(response.body)
        .on('error', () => outgoing.destroy())
        .pipe(outgoing)
    else outgoing.end()

    async function verified() {
      const result = await verifier.verify(incoming)
      if (!result.ok) return Response.json({ error: { message: result.error.code } }, { status: 401 })
      const { body } = result.value
      const init = { method, headers, ...(body.length > 0 && { body }) }
      const response = await answer(result.value, new Request(new URL(url, address), init))
      return signer ? valueOf(await signResponse(signer, response, incoming)) : response
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const authority = `127.0.0.1:${server.address().port}`
  const address = `http://${authority}`
  // Each example starts and asks at once; a server waits out its skew instead, or is given a store of nonces.
  verifier = new RequestVerifier({ authorities: [authority], dangerouslyAcceptReplayAfterRestart: true, ...options })
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: address, close }
}

/** A fetch that stands in the way, and sends another body than was signed. */
export const changing = (change) => (input, init) => {
  const text = init.body && new TextDecoder().decode(init.body)
  return fetch(input, { ...init, ...(text && { body: change(text) }) })
}

/** A call that must be refused, for that reason. */
export async function refused(who, code, call) {
  const error = await call.then(
    () => assert.fail(`${who}: it was let in`),
    (error) => error,
  )
  const told = [error, error.cause, error.data].map((part) => `${part?.message ?? ''} ${part?.text ?? ''}`).join(' ')
  assert.match(told, new RegExp(code), who)
  show(`  ${who}`, code)
}
