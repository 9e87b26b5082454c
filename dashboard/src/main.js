import { mount } from 'svelte';

import App from './App.svelte';
import './lib/theme.svelte.js';

mount(App, { target: document.getElementById('page') });
