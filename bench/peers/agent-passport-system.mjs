// Its public functions sign and verify text with keys in hexadecimal; what it has for messages is not exported,
// so it gets the hand-rolled bus.
import { generateKeyPair, sign, verify } from 'agent-passport-system'
import { didKey } from './did-key.mjs'
import { signedFleet, signedRefusals } from './fleet.mjs'

function createKey() {
  const { publicKey, privateKey } = generateKeyPair()
  return {
    did: didKey(Buffer.from(publicKey, 'hex')),
    sign: (data) => sign(data.toString(), privateKey),
    verify: (data, signature) => verify(data.toString(), signature, publicKey),
  }
}

export function identity() {
  const key = createKey()
  return { create: () => createKey().did, sign: key.sign, verify: key.verify }
}
export const fleet = signedFleet(createKey)
export const refusals = signedRefusals(createKey)
