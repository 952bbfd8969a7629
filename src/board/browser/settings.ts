import type { KeyMap } from './keymap.ts'

export const themes = ['system', 'light', 'dark'] as const
export const zooms = [80, 100, 125, 150, 200] as const

/** What this screen remembers. */
export interface Settings {
  theme: (typeof themes)[number]
  /** per cent */
  zoom: (typeof zooms)[number]
  soonMinutes: number
  lateMinutes: number
  isSoundOn: boolean
  areKeysOn: boolean
  /** keys that differ from the usual ones */
  keys: KeyMap
}

const defaults: Settings = {
  theme: 'system',
  zoom: 100,
  soonMinutes: 8,
  lateMinutes: 15,
  isSoundOn: false,
  areKeysOn: true,
  keys: {},
}

const STORAGE_NAME = 'board-settings'

export function loadSettings(): Settings {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(STORAGE_NAME) ?? '{}') as Partial<Settings>) }
  } catch {
    return defaults
  }
}

export function saveSettings(settings: Settings): void {
  localStorage.setItem(STORAGE_NAME, JSON.stringify(settings))
}

/** Applies theme and size of the text to the page, whose styles follow these attributes. */
export function applySettings({ theme, zoom }: Settings): void {
  const { dataset } = document.documentElement
  dataset['theme'] = theme
  dataset['zoom'] = String(zoom)
}
