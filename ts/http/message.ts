import type { IncomingMessage } from 'node:http'
import type { RequestHead, ResponseHead } from '../native/binding'
import { checkBytes, checkNumber, checkObject, checkString, known } from '../check'

/** Header fields: a `Headers`, pairs of name and value, or an object. */
export type HttpHeaders =
  | Iterable<readonly [string, string]>
  | {
      /** A value, or one for each time that the field is there. */
      readonly [name: string]: string | readonly string[] | undefined
    }

/** A request as plain data, for clients and servers that are neither `fetch` nor `node:http`. */
export interface HttpRequest {
  /** `GET`, `POST`, … */
  readonly method: string
  /** The absolute URL; of a request that came in, also the bare target of its request line, as it stands there. */
  readonly url: string
  /** All of them, none joined: what a `Host` field says is believed where the URL names no host. */
  readonly headers?: HttpHeaders
  /** The bytes as they travel, still compressed if they are. */
  readonly body?: Uint8Array
}

/** A response as plain data. */
export interface HttpResponse {
  /** 100 to 599. */
  readonly status: number
  /** All of them. */
  readonly headers?: HttpHeaders
  /** The bytes as they travel. */
  readonly body?: Uint8Array
}

/** Whether it has the members of the fetch class, of whichever realm. */
export function isFetchRequest(value: object): value is Request {
  const { url, method, headers, arrayBuffer } = value as Partial<Request>
  return (
    typeof url === 'string' &&
    typeof method === 'string' &&
    typeof arrayBuffer === 'function' &&
    typeof headers === 'object'
  )
}

export function isFetchResponse(value: object): value is Response {
  const { status, headers, arrayBuffer } = value as Partial<Response>
  return typeof status === 'number' && typeof arrayBuffer === 'function' && typeof headers === 'object'
}

export function isIncoming(value: object): value is IncomingMessage {
  const { rawHeaders, url, on } = value as Partial<IncomingMessage>
  return Array.isArray(rawHeaders) && typeof url === 'string' && typeof on === 'function'
}

/** What is to be sent: the URL as every client makes it of the text. */
export function headToSend(method: string, url: string, fields: string[]): RequestHead {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new TypeError('request.url must be an absolute URL')
  }
  const { protocol, host, pathname, search } = parsed
  return { method, scheme: protocol.slice(0, -1), authority: host, target: pathname + search, fields }
}

/** An empty query is signed as none, so its `?` must not be sent either: some clients leave it away, and some do not. */
export function withoutEmptyQuery(url: string): string {
  const parsed = new URL(url)
  if (parsed.search !== '') return url
  parsed.search = ''
  return parsed.href
}

/** What came in, as it stands there. */
export function headOf(request: Request | IncomingMessage | HttpRequest): RequestHead {
  if (isIncoming(request)) return headOfIncoming(request)
  if (isFetchRequest(request)) return headToSend(request.method, request.url, flat(request.headers))
  const { method, url, headers } = checkRequest(request)
  const fields = flat(headers)
  const absolute = /^(https?):\/\/([^/?#]*)(.*)$/s.exec(url)
  if (!absolute) return { method, scheme: 'https', target: url, fields }
  const [, scheme = '', authority, rest = ''] = absolute
  return { method, scheme, authority, target: rest.startsWith('/') ? rest : `/${rest}`, fields }
}

function headOfIncoming(request: IncomingMessage): RequestHead {
  const { method = '', url = '', rawHeaders, socket, httpVersionMajor } = request
  // Express and its like take from `url` what a router is mounted at.
  const { originalUrl: target = url } = request as { originalUrl?: string }
  const scheme = (socket as { encrypted?: boolean }).encrypted === true ? 'https' : 'http'
  const fields: string[] = []
  let authority: string | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]]
    if (httpVersionMajor < 2 || !name.startsWith(':')) fields.push(name, value)
    else if (name === ':authority') authority = value
  }
  return { method, scheme, authority, target, fields }
}

/** @internal Of a request that is plain data. */
export function checkRequest(request: HttpRequest): HttpRequest {
  checkObject(request, 'request')
  known(request, 'request', ['method', 'url', 'headers', 'body'])
  const { method, url, headers = [], body } = request
  checkString(method, 'request.method')
  checkString(url, 'request.url')
  if (body === undefined) return { method, url, headers }
  checkBytes(body, 'request.body')
  return { method, url, headers, body }
}

/** @internal Of a response that is plain data. */
export function checkResponse(response: HttpResponse): ResponseHead & { body: Uint8Array } {
  checkObject(response, 'response')
  known(response, 'response', ['status', 'headers', 'body'])
  const { status, headers = [], body = new Uint8Array() } = response
  checkNumber(status, 'response.status')
  checkBytes(body, 'response.body')
  return { status, fields: flat(headers), body: new Uint8Array(body) }
}

/** Names and values by turns. */
export function flat(headers: HttpHeaders = []): string[] {
  checkObject(headers, 'headers')
  const fields: string[] = []
  const add = (name: unknown, value: unknown): void => {
    checkString(name, 'the name of a header field')
    checkString(value, `the header field ${name}`)
    fields.push(name, value)
  }
  if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<readonly [string, string]>) {
      if (!Array.isArray(pair) || pair.length !== 2) throw new TypeError('headers must be pairs of name and value')
      add(pair[0], pair[1])
    }
    return fields
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue
    for (const each of typeof value === 'string' ? [value] : value) add(name, each)
  }
  return fields
}
