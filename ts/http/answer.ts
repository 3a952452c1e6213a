import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Gate } from './gate'
import type { Problem } from './problem'

/** Sends a refusal. What of the body was begun and not read to its end is not waited for. */
export function refuse(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(problem.status, headersOf(request, problem))
  response.end(problem.body)
}

export function headersOf(request: IncomingMessage, { headers }: Problem): Record<string, string> {
  // HTTP/2 knows no such field, and ends streams one by one.
  const isBroken = request.httpVersionMajor < 2 && request.readableDidRead && !request.complete
  return isBroken ? { ...headers, connection: 'close' } : { ...headers }
}

/** Holds an answer of node:http back until it is whole, and signs it. */
export function signAnswer(gate: Gate, request: IncomingMessage, response: ServerResponse): void {
  const { writeHead, write, end, flushHeaders, setHeader, appendHeader, removeHeader } = response
  const chunks: Uint8Array[] = []
  let isBegun = false
  const add = (chunk: unknown, encoding: unknown): void => {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return
    const isText = typeof chunk === 'string'
    const code = typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'
    chunks.push(isText ? Buffer.from(chunk, code) : Buffer.from(chunk as Uint8Array))
  }
  response.flushHeaders = () => {}
  response.writeHead = (status: number, ...rest: unknown[]) => {
    const [reason] = rest
    isBegun = true
    response.statusCode = status
    if (typeof reason === 'string') response.statusMessage = reason
    const headers = (typeof reason === 'string' ? rest[1] : (reason ?? rest[1])) as OutgoingHttpHeaders | unknown[]
    for (const [name, value] of pairsOf(headers)) if (value !== undefined) response.setHeader(name, value)
    return response
  }
  response.write = ((chunk: unknown, encoding: unknown, callback: unknown) => {
    add(chunk, encoding)
    const done = typeof encoding === 'function' ? encoding : callback
    if (typeof done === 'function') process.nextTick(done)
    return true
  }) as typeof write
  response.end = ((chunk: unknown, encoding: unknown, callback: unknown) => {
    add(chunk, encoding)
    // Whoever waits for the header fields to be written adds his now.
    if (!isBegun) response.writeHead(response.statusCode)
    const body = Buffer.concat(chunks)
    const status = response.statusCode
    const done = [chunk, encoding, callback].find((each) => typeof each === 'function')
    const send = (signed: Record<string, string> = {}): void => {
      Object.assign(response, { writeHead, write, end, flushHeaders, setHeader, appendHeader, removeHeader })
      delete (response as { headersSent?: boolean }).headersSent
      if (response.destroyed) return
      response.statusCode = status
      for (const [name, value] of Object.entries(signed)) response.setHeader(name, value)
      response.end(body, done as () => void)
    }
    response.write = () => false
    response.end = () => response
    // Nobody answers twice: an error handler would change what is being signed, and its length.
    const tooLate = (): never => {
      throw Object.assign(new Error('the answer was given already'), { code: 'ERR_HTTP_HEADERS_SENT' })
    }
    Object.assign(response, { writeHead: tooLate, setHeader: tooLate, appendHeader: tooLate, removeHeader: tooLate })
    Object.defineProperty(response, 'headersSent', { value: true, configurable: true })
    // What cannot be signed is sent as it is: whoever wants a signature takes no other answer.
    gate
      .signed(request, status, response.getHeaders(), body)
      .then(send, () => send())
      .catch(() => response.destroy())
    return response
  }) as typeof end
}

function pairsOf(headers: OutgoingHttpHeaders | unknown[] | undefined): [string, string | string[] | number][] {
  if (!Array.isArray(headers)) return Object.entries(headers ?? {}) as [string, string][]
  if (headers.every((each) => Array.isArray(each))) return headers as unknown as [string, string][]
  return headers.flatMap((name, i) =>
    i % 2 === 0 ? [[String(name), headers[i + 1] as string] as [string, string]] : [],
  )
}
