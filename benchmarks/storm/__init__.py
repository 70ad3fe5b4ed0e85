"""A storm: clients over HTTP while everything that answers them is killed; afterwards their histories are checked."""
