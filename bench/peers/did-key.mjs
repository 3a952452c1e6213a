// did:key of an Ed25519 key: base58btc over ed01 and the 32 key bytes.
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const LIMB = 58 ** 5
const PREFIX = 0xed01

export function didKey(publicKey) {
  const limbs = [PREFIX]
  for (let at = 0; at < 32; at += 2) {
    let carry = publicKey[at] * 256 + publicKey[at + 1]
    for (let i = 0; i < limbs.length; i += 1) {
      const sum = limbs[i] * 65_536 + carry
      carry = Math.floor(sum / LIMB)
      limbs[i] = sum - carry * LIMB
    }
    if (carry > 0) limbs.push(carry)
  }
  let text = ''
  for (const [i, limb] of limbs.entries()) {
    let rest = limb
    for (let digit = 0; digit < 5 && (rest > 0 || i < limbs.length - 1); digit += 1) {
      text = ALPHABET[rest % 58] + text
      rest = Math.floor(rest / 58)
    }
  }
  return `did:key:z${text}`
}
