"""How dates are written in the admin, language by language, where Django's own way is not ours."""
