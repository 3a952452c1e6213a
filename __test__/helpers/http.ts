// Real sockets: a server that verifies, and clients that send exactly what they are given.
import { createServer, request as nodeRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'

export interface Listening {
  readonly server: Server
  readonly port: number
  readonly authority: string
  readonly url: string
  close(): void
}

export function listen(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Listening> {
  const server = createServer((request, response) => {
    Promise.resolve(answer(request, response)).catch((error: unknown) => {
      response.writeHead(500)
      response.end(String(error))
    })
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      const authority = `127.0.0.1:${port}`
      const close = (): void => {
        server.closeAllConnections()
        server.close()
      }
      resolve({ server, port, authority, url: `http://${authority}`, close })
    })
  })
}

export interface Sent {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: Uint8Array | string
}

export interface Answer {
  status: number
  headers: Record<string, string>
  rawHeaders: string[]
  text: string
}

/** One request, by node:http. */
export function send(port: number, { method = 'GET', path = '/', headers = {}, body }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = nodeRequest({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const { statusCode = 0, headers: fields, rawHeaders } = response
        const text = Buffer.concat(chunks).toString()
        resolve({ status: statusCode, headers: fields as Record<string, string>, rawHeaders, text })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** These very bytes; what comes back until the other side closes. */
export function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
    socket.on('error', reject)
    socket.write(Buffer.from(text, 'latin1'))
  })
}

/** The bytes of a request that closes its connection. */
export function raw(method: string, target: string, lines: readonly (readonly [string, string])[], body = ''): string {
  const fields = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const length = body === '' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`
  return `${method} ${target} HTTP/1.1\r\n${fields}${length}Connection: close\r\n\r\n${body}`
}
