// A competitor that checks less than it says is not worth measuring: each must refuse the forgeries it can be shown.
import { didKey } from '../peers/did-key.mjs'

const RFC_8032_KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const RFC_8032_DID = 'did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw'

export async function measure(peer) {
  if (didKey(Buffer.from(RFC_8032_KEY, 'hex')) !== RFC_8032_DID) throw new Error('makes a wrong did:key')
  if (!peer.refusals) return
  const verdicts = Object.entries(await peer.refusals())
  const wrong = verdicts.filter(([, right]) => !right).map(([what]) => what)
  if (wrong.length > 0) throw new Error(`decides wrongly on ${wrong.join(', ')}`)
}
