"""How people and programs reach doisoat: pages, an API and a command line."""
