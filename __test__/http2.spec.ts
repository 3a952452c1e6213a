// Signed requests over HTTP/2, as the compatible interface of node:http2 shows them.
import { once } from 'node:events'
import { connect, createServer, type Http2ServerRequest } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Identity } from '@private.me/autogen'
import { RequestVerifier, signRequestHeaders } from '@private.me/autogen/http'
import { afterEach, expect, test } from 'vitest'
import { valueOf } from './helpers/result'

const open: (() => void)[] = []
afterEach(() => open.splice(0).forEach((close) => close()))

test.each([0, 1, 1000, 300_000])('a body of %i bytes is there once more for whoever comes after', async (size) => {
  const identity = Identity.generate()
  const authorities = ['placeholder.example']
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`
  authorities[0] = authority
  const verifier = new RequestVerifier({
    authorities,
    allow: [identity.did],
    dangerouslyAcceptReplayAfterRestart: true,
  })
  const seen: unknown[] = []
  server.on('request', async (request: Http2ServerRequest, response) => {
    const verified = await verifier.verify(request)
    seen.push(verified.ok && verified.value.body.byteLength, await text(request))
    response.writeHead(verified.ok ? 200 : 401)
    response.end()
  })
  const client = connect(`http://${authority}`)
  open.push(() => (client.destroy(), server.close()))

  const body = Buffer.alloc(size, 'x')
  const url = `http://${authority}/orders`
  const signed = valueOf(signRequestHeaders(identity, { method: 'POST', url, body }))
  const stream = client.request({ ':method': 'POST', ':path': '/orders', ...signed })
  stream.write(body.subarray(0, size / 2))
  stream.end(body.subarray(size / 2))
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  expect(headers[':status']).toBe(200)
  expect(seen).toEqual([size, body.toString()])
})
