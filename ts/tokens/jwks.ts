import { checkObject } from '../check'

/** The text of a JWK set. */
export function jwksText(jwks: unknown, what: string): string {
  checkObject(jwks, what)
  const text: unknown = JSON.stringify(jwks)
  if (typeof text !== 'string') throw new TypeError(`${what} must be an object that JSON can hold`)
  return text
}
