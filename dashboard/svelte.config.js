export default {
  compilerOptions: {
    runes: true,
    // A class name must not change with the folder in which the page is built.
    cssHash: ({ hash, css }) => `s-${hash(css)}`,
  },
};
