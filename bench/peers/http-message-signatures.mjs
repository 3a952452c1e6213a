import { sign, verify } from 'node:crypto'
import { httpbis } from 'http-message-signatures'
import { COVERED, freshNonce, headersOf, once } from './http-shared.mjs'
import { issuerKey } from './jwt.mjs'

export function http({ authority }) {
  const { privateKey, publicKey, did } = issuerKey()
  const key = { id: did, alg: 'ed25519', sign: async (data) => sign(null, data, privateKey) }
  const params = ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag']
  const isNew = once()
  const known = {
    id: did,
    algs: ['ed25519'],
    verify: async (data, signature) => verify(null, data, publicKey, signature),
  }
  return {
    sign: async ({ method, url, body }, now = Math.floor(Date.now() / 1000)) => {
      const [created, expires] = [new Date(now * 1000), new Date((now + 60) * 1000)]
      const paramValues = { created, expires, nonce: freshNonce(16), tag: 'xbind' }
      const config = { key, name: 'xbind', fields: COVERED, params, paramValues }
      return (await httpbis.signMessage(config, { method, url, headers: headersOf(body) })).headers
    },
    verify: async (request) => {
      let nonce
      const keyLookup = async (said) => {
        nonce = said.nonce
        return said.keyid === did ? known : null
      }
      const config = { keyLookup, requiredFields: COVERED, requiredParams: ['created', 'expires', 'nonce', 'keyid'], maxAge: 300 }
      const { method, url, headers } = request
      if (new URL(url).host !== authority) return false
      return (await httpbis.verifyMessage(config, { method, url, headers })) === true && isNew(request, nonce)
    },
  }
}
