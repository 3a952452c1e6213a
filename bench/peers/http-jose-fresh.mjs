import { httpFleet, joseRoute } from './http-jose.mjs'

export const outOfProcess = true
export const fleet = httpFleet({ fresh: true })
export const route = joseRoute({ fresh: true })
