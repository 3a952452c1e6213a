// The same, where each handler begins only when the disk has its record.
import { audited } from './ours-audited.mjs'

export const fleet = (...given) => audited('always', ...given)
