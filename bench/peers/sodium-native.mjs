import sodium from 'sodium-native'
import { didKey } from './did-key.mjs'
import { signedFleet, signedIdentity, signedRefusals, signedStream } from './fleet.mjs'

export function createKey() {
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_keypair(publicKey, secretKey)
  return {
    ...keyOf(publicKey),
    publicKey,
    sign: (data) => {
      const signature = Buffer.allocUnsafe(sodium.crypto_sign_BYTES)
      sodium.crypto_sign_detached(signature, data, secretKey)
      return signature
    },
  }
}

/** What is known of another one. */
export const keyOf = (publicKey) => ({
  did: didKey(publicKey),
  verify: (data, signature) => sodium.crypto_sign_verify_detached(signature, data, publicKey),
})

export const identity = signedIdentity(createKey)
export const fleet = signedFleet(createKey)
export const refusals = signedRefusals(createKey)
export const stream = signedStream(createKey)
