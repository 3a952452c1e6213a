// Its identities sign and verify; it brings no bus, so it gets the hand-rolled one.
import { AgentIdentity } from '@microsoft/agent-governance-sdk'
import { signedFleet, signedRefusals } from './fleet.mjs'

const createKey = (i = 0) => AgentIdentity.generate(`agent-${i}`)

export function identity() {
  const key = createKey()
  return {
    create: () => createKey().did,
    sign: (data) => key.sign(data),
    verify: (data, signature) => key.verify(data, signature),
  }
}
export const fleet = signedFleet(createKey)
export const refusals = signedRefusals(createKey)
