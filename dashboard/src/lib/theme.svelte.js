/* System, light or dark; the choice is kept on this machine only. */

const KEY = 'holdfast.theme';
const CHOICES = ['system', 'light', 'dark'];

function kept() {
  try {
    const found = localStorage.getItem(KEY);
    return CHOICES.includes(found) ? found : 'system';
  } catch {
    return 'system';
  }
}

class Theme {
  choice = $state(kept());
}

export const theme = new Theme();

function show() {
  if (theme.choice === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.choice;
}

export function nextTheme() {
  theme.choice = CHOICES[(CHOICES.indexOf(theme.choice) + 1) % CHOICES.length];
  try {
    localStorage.setItem(KEY, theme.choice);
  } catch {
    // A page that may keep nothing still changes its colours.
  }
  show();
}

show();
