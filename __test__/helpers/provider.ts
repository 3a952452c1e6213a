import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { calculatePKCECodeChallenge, generateRandomCodeVerifier } from 'oauth4webapi'
// @ts-expect-error it has no types
import { Provider } from 'oidc-provider'

const kinds = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
}
export type Algorithm = keyof typeof kinds

/** The browser of a user, as far as redirects, cookies and forms go. */
class Browser {
  #cookies = new Map<string, string>()

  /** Goes on until a page is there, or an address begins with that. */
  async go(url: string, until: string, form?: Record<string, string>): Promise<{ url: string; page: string }> {
    for (let hops = 0; hops < 10; hops += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const posted = form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }
      const response = await fetch(url, { redirect: 'manual', headers: { cookie }, ...posted })
      for (const each of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(each)!
        this.#cookies.set(name!, value!)
      }
      const location = response.headers.get('location')
      if (location === null) return { url, page: await response.text() }
      url = new URL(location, url).href
      if (url.startsWith(until)) return { url, page: '' }
      form = undefined
    }
    throw new Error('redirected for ever')
  }
}

/** An OIDC provider on this machine, with one app, and users that are whoever they say. */
export async function provider(audience: string, logoutUri: string) {
  const keys = (Object.keys(kinds) as Algorithm[]).map((alg) => ({
    ...kinds[alg]().privateKey.export({ format: 'jwk' }),
    alg,
    kid: alg,
    use: 'sig',
  }))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const callback = 'http://127.0.0.1:9/callback'
  const told = new Provider(url, {
    jwks: { keys },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    clients: [
      {
        client_id: 'app',
        client_secret: randomBytes(32).toString('hex'),
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [callback],
        backchannel_logout_uri: logoutUri,
        backchannel_logout_session_required: true,
      },
    ],
    scopes: ['openid', 'pay', 'read'],
    features: {
      backchannelLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: 'pay read',
          audience,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: new URL(resource).pathname.slice(1) } },
        }),
      },
    },
    // Not the dispatcher that keeps it from addresses on this machine.
    fetch: (to: string, { dispatcher: _, ...options }: RequestInit & { dispatcher?: unknown }) => fetch(to, options),
  })
  const failures: Error[] = []
  told.on('server_error', (_: unknown, error: Error) => failures.push(error))
  told.on('backchannel.error', (_: unknown, error: Error) => failures.push(error))
  const ended: string[] = []
  told.on('backchannel.success', (_: unknown, __: unknown, user: string) => ended.push(user))
  server.on('request', told.callback())
  const app = await told.Client.find('app')

  return {
    url,
    failures,
    ended,
    /** A user signs in at the app, and agrees. */
    async signIn(user: string, algorithm: Algorithm, scope = 'openid pay read') {
      const browser = new Browser()
      const verifier = generateRandomCodeVerifier()
      const resource = `https://authority.example/${algorithm}`
      const asked = new URLSearchParams({
        client_id: 'app',
        response_type: 'code',
        redirect_uri: callback,
        scope,
        resource,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      })
      let { url: at, page } = await browser.go(`${url}/auth?${asked.toString()}`, callback)
      while (!at.startsWith(callback)) {
        const prompt = /name="prompt" value="(\w+)"/.exec(page)![1]!
        const form = { prompt, ...(prompt === 'login' ? { login: user, password: 'any' } : {}) }
        ;({ url: at, page } = await browser.go(at, callback, form))
      }
      const code = new URL(at).searchParams.get('code')!
      const secret = app.clientSecret as string
      const body = { client_id: 'app', client_secret: secret, grant_type: 'authorization_code', resource }
      const grant = { ...body, code, redirect_uri: callback, code_verifier: verifier }
      const response = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams(grant) })
      const tokens = (await response.json()) as { access_token: string; id_token: string }
      return {
        ...tokens,
        /** The user signs out at the provider. */
        async signOut() {
          const { page } = await browser.go(`${url}/session/end`, 'never')
          const xsrf = /name="xsrf" value="(\w+)"/.exec(page)![1]!
          await browser.go(`${url}/session/end/confirm`, 'never', { xsrf, logout: 'yes' })
        },
      }
    },
    stop: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}
