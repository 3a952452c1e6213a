import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { didKey } from './did-key.mjs'
import { signedFleet, signedIdentity, signedRefusals, signedStream } from './fleet.mjs'

function createKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    // Not as JWK: in a loop of many keys, that export now and then never returns on Node.js 20.
    did: didKey(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)),
    sign: (data) => sign(null, data, privateKey),
    verify: (data, signature) => verify(null, data, publicKey, signature),
  }
}

export const identity = signedIdentity(createKey)
export const fleet = signedFleet(createKey)
export const refusals = signedRefusals(createKey)
export const stream = signedStream(createKey)
