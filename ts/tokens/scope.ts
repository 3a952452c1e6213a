import { checkString } from '../check'
import { native } from '../native'
import { orThrow } from '../result'

/**
 * Whether who holds the scope `granted` holds `needed` too. A last segment `*` covers everything below: `invoice.*` covers
 * `invoice.read` and `invoice.read.lines`, but neither `invoice` itself nor `invoice:read`. Throws INVALID_CONFIG for a text
 * that is no scope: segments of letters, digits, `_` and `-`, parted by `:` or `.`, at most 128 bytes.
 */
export function covers(granted: string, needed: string): boolean {
  checkString(granted, 'granted')
  checkString(needed, 'needed')
  return orThrow(native.covers(granted, needed))
}
