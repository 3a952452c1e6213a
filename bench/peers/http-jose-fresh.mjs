import { httpFleet } from './http-jose.mjs'

export const outOfProcess = true
export const fleet = httpFleet({ fresh: true })
