import { signatureHeaders, verify } from 'web-bot-auth'
import { signerFromJWK, verifierFromJWK } from 'web-bot-auth/crypto'
import { COVERED, freshNonce, headersOf, once } from './http-shared.mjs'
import { issuerKey } from './jwt.mjs'

export async function http({ authority }) {
  const { privateKey, publicKey } = issuerKey()
  const signer = await signerFromJWK(privateKey.export({ format: 'jwk' }))
  const verifier = await verifierFromJWK(publicKey.export({ format: 'jwk' }))
  const isNew = once()
  return {
    sign: async ({ method, url, body }, now = Math.floor(Date.now() / 1000)) => {
      const headers = headersOf(body)
      const [created, expires] = [new Date(now * 1000), new Date((now + 60) * 1000)]
      const options = { created, expires, nonce: freshNonce(64), components: COVERED }
      const signed = await signatureHeaders({ method, url, headers }, signer, options)
      return { ...headers, signature: signed.Signature, 'signature-input': signed['Signature-Input'] }
    },
    verify: async (request) => {
      const { method, url, headers } = request
      if (new URL(url).host !== authority) return false
      const covers = COVERED.every((name) => headers['signature-input'].includes(`"${name}"`))
      let nonce
      await verify({ method, url, headers }, async (data, signature, said) => {
        nonce = said.nonce
        await verifier(data, signature, said)
      })
      return covers && isNew(request, nonce)
    },
  }
}
