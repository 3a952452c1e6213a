import { checkObject, checkString, known, strings } from '../check'
import type { Json, Reach } from '../native/binding'
import { json } from '../native/json'

/** How agents reach URLs. */
export interface HttpReach {
  /**
   * A proxy through which all of it leaves, by CONNECT: `http://` or `https://`, with a name and a password before the host if it
   * wants them. What is on this machine is reached without, unless the proxy is here too. `'environment'`: what `HTTPS_PROXY`
   * and `NO_PROXY` say, which nobody asks otherwise. None by default.
   */
  proxy?: string | ProxyUse
  /** Certificates of authorities that are believed beside Mozilla's, as PEM: one text, or several. */
  ca?: string | readonly string[]
}

/** A proxy, and what is reached without it. */
export interface ProxyUse {
  /** Its URL. */
  url: string
  /** Names, with all that is below them, IP addresses, or `*`, each with a port behind it or without. */
  except?: readonly string[]
}

/** What the native side is told. */
export function reachIn(http: HttpReach): Json<Reach> {
  checkObject(http, 'http')
  known(http, 'http', ['proxy', 'ca'])
  const { proxy, ca } = http
  const { url, except } = proxyIn(proxy)
  return json({
    proxy: url,
    except,
    ca: typeof ca === 'string' ? [ca] : ca === undefined ? [] : strings(ca, 'http.ca'),
  })
}

function proxyIn(proxy: unknown): { url: string | undefined; except: string[] } {
  if (proxy === undefined) return { url: undefined, except: [] }
  if (proxy === 'environment') return fromEnvironment()
  if (typeof proxy === 'string') return { url: proxy, except: [] }
  checkObject(proxy, 'http.proxy')
  known(proxy, 'http.proxy', ['url', 'except'])
  const { url, except } = proxy as { url: unknown; except: unknown }
  checkString(url, 'http.proxy.url')
  return { url, except: except === undefined ? [] : strings(except, 'http.proxy.except') }
}

function fromEnvironment(): { url: string | undefined; except: string[] } {
  const { HTTPS_PROXY, https_proxy: lower, NO_PROXY, no_proxy: lowerNo } = process.env
  const except = (lowerNo ?? NO_PROXY ?? '').split(/[\s,]+/).filter((host) => host !== '')
  const url = lower ?? HTTPS_PROXY
  return { url: url === '' ? undefined : url, except }
}
